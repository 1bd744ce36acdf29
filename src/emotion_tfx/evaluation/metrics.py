"""The figures of a model on labelled texts: one typed structure, and the rows it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

#: Equal-width confidence bins of the calibration error, as in Guo et al. 2017.
CALIBRATION_BINS = 15

#: Shares of the rows, the most certain first, whose accuracy is told.
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model said about labelled texts.

    Attributes:
        texts: N raw texts.
        labels: int [N], the true classes.
        probabilities: float [N, 6], in label order, each row summing to 1.
        uncertain: bool [N], the rows the model itself marks as "not sure".
        sources: N names of the corpora the rows come from.

    Raises:
        ValueError: The parts differ in length or shape, or a label is not a class.
        UserError: A probability is not a number, as after a training that diverged.
    """

    texts: Sequence[str]
    labels: NDArray[np.integer]
    probabilities: NDArray[np.floating]
    uncertain: NDArray[np.bool_]
    sources: Sequence[str]

    def __post_init__(self) -> None:
        n = len(self.texts)
        if self.probabilities.shape != (n, len(LABELS)):
            raise ValueError(f"probabilities are {self.probabilities.shape} for {n} texts")
        for name in ("labels", "uncertain"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"{name} are {getattr(self, name).shape}, not {(n,)}")
        if len(self.sources) != n:
            raise ValueError(f"{len(self.sources)} sources for {n} texts")
        if not np.isin(self.labels, range(len(LABELS))).all():
            raise ValueError(f"labels go from {self.labels.min()} to {self.labels.max()}")
        broken = int((~np.isfinite(self.probabilities)).any(axis=1).sum())
        if broken:
            raise UserError(
                f"the model gives no number as a probability for {broken} of {n} texts",
                "Its training has diverged: train again with a lower learning rate.",
            )
        if not np.allclose(self.probabilities.sum(axis=1), 1, atol=1e-2):
            raise ValueError("the probabilities of a row do not sum to 1")

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The most probable class of each row, int [N]."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of the predicted class, float [N]."""
        return self.probabilities.max(axis=1).astype(np.float64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the predicted class is the true one, bool [N]."""
        return self.predicted == self.labels


@dataclass(frozen=True)
class Average:
    """Precision, recall and F1 averaged over the six classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassMetrics:
    """The figures of one class; a ratio over no rows counts as 0. ``support``: its true rows."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class CalibrationBin:
    """The rows whose confidence is in (lower, upper]; the means are None where there are none."""

    lower: float
    upper: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities can be taken at their word.

    Attributes:
        ece: Expected calibration error of the predicted class: the mean distance between
            confidence and accuracy over the bins, weighted by their rows (Guo et al., "On
            Calibration of Modern Neural Networks", ICML 2017). In [0, 1].
        log_loss: Mean negative log probability of the true class, in nats.
        brier: Mean squared distance between the probabilities and the truth, summed over the
            classes (Brier 1950). In [0, 2].
        bins: The equal-width bins behind ``ece``, by rising confidence.
    """

    ece: float
    log_loss: float
    brier: float
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True)
class CoveragePoint:
    """The accuracy on the ``n`` most certain rows, about ``coverage`` of them all."""

    coverage: float
    n: int
    accuracy: float


@dataclass(frozen=True)
class Group:
    """Some of the rows: how many, their share of all, their accuracy (None if there are none)."""

    n: int
    share: float
    accuracy: float | None


@dataclass(frozen=True)
class Selective:
    """What it brings to withhold the doubtful answers.

    Attributes:
        by_coverage: Accuracy on the most certain rows, one point for each of ``COVERAGES``.
        certain: The rows the model did not mark as uncertain.
        uncertain: The rows it did.
    """

    by_coverage: tuple[CoveragePoint, ...]
    certain: Group
    uncertain: Group


@dataclass(frozen=True)
class Metrics:
    """The figures of a model on N labelled texts. ``metrics.json`` is its dump.

    Attributes:
        n: The number of rows.
        accuracy: The share of rows whose predicted class is the true one.
        macro: Averages in which each of the six classes counts the same.
        weighted: Averages in which each class counts by its support.
        classes: One entry a class, in label order.
        confusion: 6 x 6 counts, rows true and columns predicted, in label order.
        calibration: How honest the probabilities are.
        selective: How accuracy rises when the doubtful rows are withheld.
    """

    n: int
    accuracy: float
    macro: Average
    weighted: Average
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: Calibration
    selective: Selective

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain dicts, lists and numbers, ready for JSON."""
        from pydantic import TypeAdapter

        return TypeAdapter(Metrics).dump_python(self, mode="json")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Metrics:
        """Read what ``to_dict`` wrote.

        Raises:
            ValueError: A figure is missing or of another type.
        """
        from pydantic import TypeAdapter

        return TypeAdapter(Metrics).validate_python(data)


def compute_metrics(predictions: Predictions) -> Metrics:
    """Return the figures of ``predictions``; the order of the rows does not matter.

    Raises:
        UserError: There are no rows.
    """
    from sklearn.metrics import confusion_matrix

    if not len(predictions):
        raise UserError("there are no rows to evaluate", "Give at least one labelled text.")
    labels, predicted = predictions.labels, predictions.predicted
    confusion = confusion_matrix(labels, predicted, labels=range(len(LABELS)))
    return Metrics(
        n=len(predictions),
        accuracy=float(predictions.correct.mean()),
        macro=_average(labels, predicted, "macro"),
        weighted=_average(labels, predicted, "weighted"),
        classes=_per_class(labels, predicted),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        calibration=_calibration(predictions),
        selective=_selective(predictions),
    )


def present_class_macro_f1(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> float:
    """Return the macro-F1 on a corpus that knows only some of the six emotions.

    Classes absent from ``labels`` are left out, and each prediction is the most probable of the
    classes present: a benchmark without "love" can neither reward nor punish that answer.

    Args:
        labels: int [N], N at least 1.
        probabilities: float [N, 6], in label order.
    """
    from sklearn.metrics import f1_score

    present = np.unique(labels)
    predicted = present[probabilities[:, present].argmax(axis=1)]
    return float(f1_score(labels, predicted, labels=present, average="macro", zero_division=0))


def selective_curve(predictions: Predictions) -> NDArray[np.float64]:
    """Return the accuracy on the k most certain rows for k = 1 to N, float [N].

    Rows of equal confidence have no order among themselves, so each counts with the mean accuracy
    of its equals.
    """
    confidence, equals = np.unique(predictions.confidence, return_inverse=True)
    rows = np.bincount(equals, minlength=len(confidence))
    accuracy = np.bincount(equals, weights=predictions.correct, minlength=len(confidence)) / rows
    most_certain_first = np.repeat(accuracy[::-1], rows[::-1])
    return most_certain_first.cumsum() / np.arange(1, len(predictions) + 1)


def _average(labels: NDArray[np.integer], predicted: NDArray[np.intp], how: str) -> Average:
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=range(len(LABELS)), average=how, zero_division=0
    )
    return Average(float(precision), float(recall), float(f1))


def _per_class(
    labels: NDArray[np.integer], predicted: NDArray[np.intp]
) -> tuple[ClassMetrics, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        labels, predicted, labels=range(len(LABELS)), zero_division=0
    )
    return tuple(
        ClassMetrics(label, float(precision), float(recall), float(f1), int(support))
        for label, precision, recall, f1, support in zip(LABELS, *columns, strict=True)
    )


def _calibration(predictions: Predictions) -> Calibration:
    from sklearn.metrics import log_loss

    probabilities = predictions.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    truth = np.eye(len(LABELS))[predictions.labels]
    bins = _calibration_bins(predictions.confidence, predictions.correct)
    return Calibration(
        ece=sum(
            abs(each.confidence - each.accuracy) * each.count / len(predictions)
            for each in bins
            if each.confidence is not None and each.accuracy is not None
        ),
        log_loss=float(log_loss(predictions.labels, probabilities, labels=range(len(LABELS)))),
        brier=float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        bins=bins,
    )


def _calibration_bins(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_]
) -> tuple[CalibrationBin, ...]:
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    which = np.digitize(confidence, edges[1:-1], right=True)
    bins = []
    for index, (lower, upper) in enumerate(pairwise(edges)):
        inside = which == index
        mean_confidence = float(confidence[inside].mean()) if inside.any() else None
        accuracy = float(correct[inside].mean()) if inside.any() else None
        bins.append(
            CalibrationBin(float(lower), float(upper), int(inside.sum()), mean_confidence, accuracy)
        )
    return tuple(bins)


def _selective(predictions: Predictions) -> Selective:
    curve = selective_curve(predictions)
    points = []
    for coverage in COVERAGES:
        rows = max(1, round(coverage * len(predictions)))
        points.append(CoveragePoint(coverage, rows, float(curve[rows - 1])))
    return Selective(
        by_coverage=tuple(points),
        certain=_group(predictions, ~predictions.uncertain),
        uncertain=_group(predictions, predictions.uncertain),
    )


def _group(predictions: Predictions, mask: NDArray[np.bool_]) -> Group:
    n = int(mask.sum())
    accuracy = float(predictions.correct[mask].mean()) if n else None
    return Group(n, n / len(predictions), accuracy)
