from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion_tfx.labels import LABELS
from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.monitoring.reference import FEATURES, FILE, Reference, read_reference

from .examples import answers, reference


def written(folder: Path, content: str) -> Path:
    (folder / "assets.extra").mkdir(exist_ok=True)
    (folder / "assets.extra" / FILE).write_text(content, encoding="utf-8")
    return folder


def test_what_is_kept_with_a_model_is_read_again(tmp_path: Path):
    kept = reference(300)
    assert read_reference(written(tmp_path, kept.to_json())) == kept


def test_it_counts_every_text_once_in_each_feature_and_holds_no_text():
    observed, correct = answers(300)
    kept = Reference.make(observed, correct, LABELS, "a test")
    for feature in FEATURES:
        assert sum(kept.features[feature].counts) == 300
    assert kept.accuracy == correct.mean()
    assert kept.features["label"].counts[2] == (observed.predicted == 2).sum()


def test_a_model_without_one_has_none(tmp_path: Path):
    assert read_reference(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content.replace('"format": 1', '"format": 2'),
        lambda content: json.dumps(json.loads(content) | {"texts": 299}),
        lambda content: json.dumps(json.loads(content) | {"accuracy_by_confidence": [0.5]}),
        lambda content: json.dumps(json.loads(content) | {"labels": ["one", "two"]}),
    ],
)
def test_a_damaged_one_is_told(tmp_path: Path, damage: Callable[[str], str]):
    content = json.dumps(json.loads(reference(300).to_json()))
    with pytest.raises(ValueError, match=r"\w"):
        read_reference(written(tmp_path, damage(content)))


def test_the_shipped_model_has_one_that_agrees_with_its_evaluation():
    shipped = newest_version(shipped_base())
    assert shipped is not None
    kept = read_reference(shipped)
    assert kept is not None
    metrics = json.loads((shipped / "assets.extra" / "metrics.json").read_text(encoding="utf-8"))
    assert kept.texts == metrics["n"]
    assert kept.accuracy == pytest.approx(metrics["accuracy"], abs=1e-9)
    predicted = [sum(column) for column in zip(*metrics["confusion"], strict=True)]
    assert list(kept.features["label"].counts) == predicted
