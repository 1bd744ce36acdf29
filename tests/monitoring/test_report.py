from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from emotion_tfx.app.client import Answer
from emotion_tfx.app.feedback import FeedbackStore
from emotion_tfx.data import Row
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS
from emotion_tfx.model.classifier import EmotionClassifier
from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.monitoring.drift import DRIFT_FROM, MIN_TEXTS
from emotion_tfx.monitoring.reference import FEATURES, FILE
from emotion_tfx.monitoring.report import Seen, look, verdict, write_drift_report
from emotion_tfx.monitoring.texts import Texts

from ..command import emotion
from .conftest import IN_DOMAIN, OTHER_DOMAINS, Corpus
from .examples import answers, reference


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    return EmotionClassifier(shipped_base())


def labelled(rows: list[Row]) -> Texts:
    return Texts([row.text for row in rows], [row.label for row in rows], "of a test")


def imagined(texts: int, seed: int = 1) -> Seen:
    kept = reference(2000)
    return Seen("of a test", "1", kept, kept.count(answers(texts, seed)[0]))


def test_texts_of_the_corpus_are_like_the_reference_and_the_estimate_is_right(
    classifier: EmotionClassifier, corpus: Corpus
):
    seen = look(classifier, labelled(corpus(IN_DOMAIN, 2000)))
    assert seen.drifted == []
    assert max(seen.distances.values()) < DRIFT_FROM
    assert seen.true_accuracy is not None
    assert seen.estimate.accuracy == pytest.approx(seen.true_accuracy, abs=0.03)
    assert verdict(seen) == "Texts and answers are like those the model was judged on"


@pytest.mark.parametrize("name", OTHER_DOMAINS)
def test_texts_of_another_kind_are_not(classifier: EmotionClassifier, corpus: Corpus, name: str):
    seen = look(classifier, labelled(corpus(name, 1000)))
    assert {"confidence", "label"} <= set(seen.drifted)
    assert verdict(seen) == "Texts or answers are others than those the model was judged on"
    assert seen.true_accuracy is not None
    # Not within 0.03: answers to other texts are right more often than their confidence says.
    assert seen.estimate.accuracy < seen.reference.accuracy - 0.2
    assert seen.true_accuracy < seen.reference.accuracy - 0.2


def test_the_report_is_one_file_that_loads_nothing_and_shows_every_feature(tmp_path: Path):
    seen = imagined(1000)
    page = write_drift_report(tmp_path / "deep" / "drift.html", seen).read_text(encoding="utf-8")
    assert page.count("<img ") == page.count('src="data:image/png;base64,') == len(FEATURES) + 1
    assert not re.search(r"<script|https?://", page)
    for name in FEATURES:
        assert f'id="{name}"' in page
        assert f'<td class="n">{seen.distances[name]:.3f}</td>' in page
    assert f"<dd>{seen.estimate.accuracy:.1%}</dd>" in page
    assert "true accuracy" not in page


def test_few_texts_are_shown_but_not_judged(tmp_path: Path):
    seen = imagined(MIN_TEXTS - 1)
    page = write_drift_report(tmp_path / "drift.html", seen).read_text(encoding="utf-8")
    assert f"{MIN_TEXTS - 1} texts are too few to tell; it takes {MIN_TEXTS}" in page
    assert "too few texts to tell" in page
    assert "as on the reference" not in page


def test_a_model_without_a_reference_is_told_how_to_get_one(tmp_path: Path):
    shipped = newest_version(shipped_base())
    assert shipped is not None
    model = tmp_path / "1"
    shutil.copytree(shipped, model)
    (model / "assets.extra" / FILE).unlink()
    with pytest.raises(UserError, match="emotion monitor reference"):
        look(EmotionClassifier(model), Texts(["i am happy"], None, "of a test"))


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


TEXTS = [f"i feel {word} about day {day}" for day in range(20) for word in ("happy", "sad")]


def test_the_command_reads_a_column_writes_the_page_and_says_how_it_is(tmp_path: Path):
    source = write_csv(tmp_path / "reviews.csv", ["id", "Review"], [["1", text] for text in TEXTS])
    page = tmp_path / "drift.html"
    ended = emotion("monitor", "report", "-i", source, "--text-column", "review", "-o", page)
    assert ended.code == 0, ended.errors
    assert f"report  {page}" in ended.output
    assert f"{len(TEXTS)} texts are too few to tell" in ended.output
    assert "by the labels given" not in ended.output
    assert "from reviews.csv" in page.read_text(encoding="utf-8")


def test_the_command_tells_the_true_accuracy_of_labelled_texts_and_of_feedback(tmp_path: Path):
    database = f"sqlite:///{tmp_path / 'feedback.sqlite'}"
    store = FeedbackStore(database)
    answer = Answer("joy", 0.9, False, dict.fromkeys(LABELS, 0.1), (), "emotion", "1")
    for number, text in enumerate(TEXTS):
        store.keep(str(number), answer, "joy" if "happy" in text else "sadness", text)
    ended = emotion(
        "monitor",
        "report",
        "--feedback",
        settings={"EMOTION_FEEDBACK": database, "EMOTION_OUTPUT": str(tmp_path)},
    )
    assert ended.code == 0, ended.errors
    assert f"report  {tmp_path / 'drift.html'}" in ended.output
    assert "by the labels given, 100.0% are right" in ended.output


@pytest.mark.parametrize("given", [(), ("--input", "a.csv", "--feedback")])
def test_the_command_wants_texts_from_one_place(given: tuple[str, ...]):
    ended = emotion("monitor", "report", *given)
    assert ended.code == 2
    assert "Give --input FILE.csv, or --feedback" in ended.errors


def test_a_reference_is_made_by_command_for_a_model_that_has_none(tmp_path: Path):
    shipped = newest_version(shipped_base())
    assert shipped is not None
    model = tmp_path / "1"
    shutil.copytree(shipped, model)
    (model / "assets.extra" / FILE).unlink()
    rows = [[text, "joy" if "happy" in text else "sadness"] for text in TEXTS]
    source = write_csv(tmp_path / "labelled.csv", ["text", "label"], rows)
    ended = emotion("monitor", "reference", source, "--model", model)
    assert ended.code == 0, ended.errors
    seen = look(EmotionClassifier(model), Texts(TEXTS, None, "of a test"))
    assert seen.reference.texts == len(TEXTS)
    assert np.max(list(seen.distances.values())) == 0
