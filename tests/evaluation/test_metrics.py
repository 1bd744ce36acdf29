from __future__ import annotations

import json
import math
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from emotion_tfx.errors import UserError
from emotion_tfx.evaluation import Metrics, Predictions, compute_metrics, present_class_macro_f1
from emotion_tfx.evaluation.metrics import selective_curve
from emotion_tfx.labels import LABELS

from .examples import answers, many_answers

SADNESS, JOY, LOVE, ANGER, FEAR, SURPRISE = range(6)


@st.composite
def any_predictions(draw: st.DrawFn) -> Predictions:
    n = draw(st.integers(1, 40))
    weights = st.lists(st.integers(0, 9), min_size=6, max_size=6).filter(any)
    raw = np.array(draw(st.lists(weights, min_size=n, max_size=n)), dtype=float)
    return Predictions(
        texts=[""] * n,
        labels=np.array(draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))),
        probabilities=raw / raw.sum(axis=1, keepdims=True),
        uncertain=np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))),
        sources=["made up"] * n,
    )


def reordered(predictions: Predictions, order: np.ndarray) -> Predictions:
    return Predictions(
        texts=[predictions.texts[row] for row in order],
        labels=predictions.labels[order],
        probabilities=predictions.probabilities[order],
        uncertain=predictions.uncertain[order],
        sources=[predictions.sources[row] for row in order],
    )


class TestClassification:
    def test_a_small_example_by_hand(self):
        # Of three joys two are found; one of three answers "joy" is a love.
        metrics = compute_metrics(answers([JOY, JOY, JOY, LOVE], [JOY, JOY, SADNESS, JOY]))
        joy, love = metrics.classes[JOY], metrics.classes[LOVE]
        assert metrics.n == 4
        assert metrics.accuracy == 0.5
        assert (joy.label, joy.support) == ("joy", 3)
        assert joy.precision == pytest.approx(2 / 3)
        assert joy.recall == pytest.approx(2 / 3)
        assert joy.f1 == pytest.approx(2 / 3)
        assert (love.precision, love.recall, love.f1, love.support) == (0, 0, 0, 1)
        assert metrics.macro.f1 == pytest.approx(2 / 3 / 6)
        assert metrics.weighted.f1 == pytest.approx(2 / 3 * 3 / 4)

    def test_rows_of_the_confusion_matrix_are_the_true_classes(self):
        metrics = compute_metrics(answers([JOY, JOY, LOVE], [JOY, SADNESS, JOY]))
        assert metrics.confusion[JOY] == (1, 1, 0, 0, 0, 0)
        assert metrics.confusion[LOVE] == (0, 1, 0, 0, 0, 0)
        assert metrics.confusion[FEAR] == (0,) * 6

    def test_agrees_with_scikit_learn_on_many_rows(self):
        rows = many_answers()
        metrics = compute_metrics(rows)
        predicted = rows.probabilities.argmax(axis=1)
        report = sk.classification_report(
            rows.labels, predicted, target_names=LABELS, output_dict=True
        )
        assert metrics.accuracy == pytest.approx(report["accuracy"])
        assert metrics.macro.precision == pytest.approx(report["macro avg"]["precision"])
        assert metrics.weighted.recall == pytest.approx(report["weighted avg"]["recall"])
        for each in metrics.classes:
            assert each.f1 == pytest.approx(report[each.label]["f1-score"])
            assert each.support == report[each.label]["support"]

    def test_no_rows_are_nothing_to_evaluate(self):
        with pytest.raises(UserError, match="no rows"):
            compute_metrics(answers([], []))


class TestCalibration:
    def test_error_is_zero_where_confidence_is_the_share_of_right_answers(self):
        # 10 answers at 0.7, of which 7 are right, and 5 at 0.4, of which 2 are.
        right = [True] * 7 + [False] * 3 + [True] * 2 + [False] * 3
        labels = [JOY if ok else FEAR for ok in right]
        metrics = compute_metrics(answers(labels, [JOY] * 15, [0.7] * 10 + [0.4] * 5))
        assert metrics.calibration.ece == pytest.approx(0)

    def test_error_by_hand(self):
        # Bin of 0.9: two rows, all right, gap 0.1. Bin of 0.5: two rows, none right, gap 0.5.
        rows = answers([JOY, JOY, FEAR, FEAR], [JOY] * 4, [0.9, 0.9, 0.5, 0.5])
        assert compute_metrics(rows).calibration.ece == pytest.approx((2 * 0.1 + 2 * 0.5) / 4)

    def test_bins_are_fifteen_equal_ones_that_hold_their_upper_edge(self):
        bins = compute_metrics(answers([JOY, JOY], [JOY, FEAR], [1.0, 0.4])).calibration.bins
        assert len(bins) == 15
        assert (bins[0].lower, bins[0].upper) == pytest.approx((0, 1 / 15))
        assert [index for index, each in enumerate(bins) if each.count] == [5, 14]
        assert (bins[14].count, bins[14].confidence, bins[14].accuracy) == (1, 1, 1)
        assert (bins[5].confidence, bins[5].accuracy) == (pytest.approx(0.4), 0)
        assert (bins[0].confidence, bins[0].accuracy) == (None, None)

    def test_log_loss_and_brier_by_hand(self):
        calibration = compute_metrics(answers([JOY], [JOY], [0.5])).calibration
        assert calibration.log_loss == pytest.approx(math.log(2))
        assert calibration.brier == pytest.approx(0.5**2 + 5 * 0.1**2)

    def test_log_loss_agrees_with_scikit_learn(self):
        rows = many_answers()
        expected = sk.log_loss(rows.labels, rows.probabilities)
        assert compute_metrics(rows).calibration.log_loss == pytest.approx(expected)


class TestSelective:
    def test_accuracy_of_the_most_certain_rows(self):
        # The three least certain of ten are the wrong ones.
        confidence = [0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.5, 0.45, 0.4]
        rows = answers([JOY] * 7 + [FEAR] * 3, [JOY] * 10, confidence)
        points = {each.coverage: each for each in compute_metrics(rows).selective.by_coverage}
        assert list(points) == [1.0, 0.95, 0.9, 0.8, 0.7]
        assert (points[1.0].n, points[1.0].accuracy) == (10, pytest.approx(0.7))
        assert (points[0.8].n, points[0.8].accuracy) == (8, pytest.approx(7 / 8))
        assert (points[0.7].n, points[0.7].accuracy) == (7, pytest.approx(1))

    def test_rows_of_equal_confidence_count_with_their_mean(self):
        rows = answers([JOY, JOY, FEAR], [JOY] * 3, [0.9, 0.6, 0.6])
        assert selective_curve(rows) == pytest.approx([1, 1.5 / 2, 2 / 3])

    def test_groups_by_the_models_own_mark(self):
        rows = answers([JOY, JOY, FEAR, JOY], [JOY] * 4, uncertain=[False, False, True, True])
        selective = compute_metrics(rows).selective
        assert (selective.certain.n, selective.certain.share, selective.certain.accuracy) == (
            2,
            0.5,
            1,
        )
        assert selective.uncertain.accuracy == 0.5

    def test_a_group_without_rows_has_no_accuracy(self):
        uncertain = compute_metrics(answers([JOY], [JOY])).selective.uncertain
        assert (uncertain.n, uncertain.share, uncertain.accuracy) == (0, 0, None)


class TestPresentClasses:
    def test_absent_classes_neither_count_nor_can_be_answered(self):
        # Love is the favourite everywhere, but the benchmark does not know it.
        probabilities = np.array(
            [[0.1, 0.3, 0.6, 0, 0, 0], [0.3, 0.1, 0.6, 0, 0, 0], [0.3, 0.1, 0.6, 0, 0, 0]]
        )
        labels = np.array([JOY, SADNESS, JOY])
        # Answers joy, sadness, sadness: both classes have F1 2/3.
        assert present_class_macro_f1(labels, probabilities) == pytest.approx(2 / 3)

    def test_equals_the_macro_f1_where_all_classes_are_present(self):
        rows = many_answers()
        expected = compute_metrics(rows).macro.f1
        assert present_class_macro_f1(rows.labels, rows.probabilities) == pytest.approx(expected)


class TestPredictions:
    def test_nan_is_told_as_a_training_that_diverged(self):
        with pytest.raises(UserError, match=r"1 of 2 texts.*diverged"):
            answers([JOY, JOY], [JOY, JOY], [0.9, math.nan])

    @pytest.mark.parametrize(
        "change",
        [
            {"labels": np.array([JOY])},
            {"labels": np.array([JOY, 6])},
            {"probabilities": np.full((2, 5), 0.2)},
            {"probabilities": np.full((2, 6), 0.5)},
            {"uncertain": np.zeros(3, dtype=bool)},
            {"sources": ["one"]},
        ],
        ids=["too few labels", "no such label", "five classes", "no sum of 1", "marks", "sources"],
    )
    def test_parts_that_do_not_fit_are_refused(self, change: dict[str, Any]):
        rows = answers([JOY, JOY], [JOY, JOY])
        parts = {name: getattr(rows, name) for name in rows.__dataclass_fields__}
        with pytest.raises(ValueError, match=r"labels|probabilities|uncertain|sources"):
            Predictions(**{**parts, **change})


class TestInvariants:
    @settings(max_examples=40, deadline=None)
    @given(any_predictions())
    def test_figures_stay_in_their_ranges(self, rows: Predictions):
        metrics = compute_metrics(rows)
        averages = (metrics.macro, metrics.weighted, *metrics.classes)
        shares = [metrics.accuracy, metrics.calibration.ece]
        shares += [value for each in averages for value in (each.precision, each.recall, each.f1)]
        shares += [point.accuracy for point in metrics.selective.by_coverage]
        assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares)
        assert 0 <= metrics.calibration.brier <= 2
        assert metrics.calibration.log_loss >= 0

    @settings(max_examples=40, deadline=None)
    @given(any_predictions())
    def test_every_row_is_counted_once(self, rows: Predictions):
        metrics = compute_metrics(rows)
        assert np.sum(metrics.confusion) == metrics.n == len(rows)
        assert sum(each.support for each in metrics.classes) == len(rows)
        assert sum(each.count for each in metrics.calibration.bins) == len(rows)
        assert metrics.selective.certain.n + metrics.selective.uncertain.n == len(rows)
        assert np.trace(metrics.confusion) == pytest.approx(metrics.accuracy * len(rows))

    @settings(max_examples=40, deadline=None)
    @given(any_predictions(), st.randoms(use_true_random=False))
    def test_the_order_of_the_rows_does_not_matter(self, rows: Predictions, random: Random):
        order = list(range(len(rows)))
        random.shuffle(order)
        ours = compute_metrics(rows).to_dict()
        theirs = compute_metrics(reordered(rows, np.array(order))).to_dict()
        assert ours.pop("calibration")["ece"] == pytest.approx(theirs.pop("calibration")["ece"])
        for mine, other in zip(
            ours.pop("selective")["by_coverage"],
            theirs.pop("selective")["by_coverage"],
            strict=True,
        ):
            assert mine == pytest.approx(other)
        assert ours == theirs

    @settings(max_examples=20, deadline=None)
    @given(any_predictions())
    def test_json_and_back_changes_nothing(self, rows: Predictions):
        metrics = compute_metrics(rows)
        text = json.dumps(metrics.to_dict(), allow_nan=False)
        assert Metrics.from_dict(json.loads(text)) == metrics

    def test_a_dump_that_lacks_a_figure_is_refused(self):
        dump = compute_metrics(answers([JOY], [JOY])).to_dict()
        del dump["accuracy"]
        with pytest.raises(ValueError, match="accuracy"):
            Metrics.from_dict(dump)
