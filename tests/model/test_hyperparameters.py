from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from emotion_tfx.errors import UserError
from emotion_tfx.model.hyperparameters import Hyperparameters

OTHERS = Hyperparameters(units=7, dropout=0.125, learning_rate=1e-4, epochs=3)


def test_what_is_saved_is_loaded(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "best.json"
    OTHERS.save(path)
    assert Hyperparameters.load(path) == OTHERS
    assert path.read_text().endswith("}\n")


def test_they_survive_as_a_dictionary():
    assert Hyperparameters.from_dict(json.loads(json.dumps(OTHERS.to_dict()))) == OTHERS


def test_unknown_names_are_ignored_and_missing_ones_keep_their_defaults():
    values = {"units": 12, "tuner/epochs": 2, "colour": "blue"}
    assert Hyperparameters.from_dict(values) == replace(Hyperparameters(), units=12)
    assert Hyperparameters.from_dict({}) == Hyperparameters()


def test_what_the_tuner_writes_is_loaded(tmp_path: Path):
    """KerasTuner puts the values beside the space it searched."""
    path = tmp_path / "best.json"
    path.write_text(json.dumps({"space": [{"name": "units"}], "values": {"units": 33}}))
    assert Hyperparameters.load(path).units == 33


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"units: 3",
        b"[1, 2]",
        b"3",
        b"null",
        b'{"values": 3}',
        b'"text"',
        b"\xff\xfe\x00",
    ],
)
def test_a_broken_file_is_refused_with_its_path_and_a_remedy(tmp_path: Path, content: bytes):
    path = tmp_path / "best.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no stored hyperparameters") as caught:
        Hyperparameters.load(path)
    assert caught.value.path == path
    assert "emotion tune" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("units", "64"),
        ("units", 64.5),
        ("units", True),
        ("units", 0),
        ("batch_size", None),
        ("dropout", 1.0),
        ("dropout", [0.1]),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
    ],
)
@pytest.mark.parametrize("tuner", [False, True])
def test_a_value_that_cannot_be_is_named(tmp_path: Path, name: str, value: object, tuner: bool):
    path = tmp_path / "best.json"
    values = {"dense_units": 8, name: value}
    path.write_text(json.dumps({"space": [], "values": values} if tuner else values))
    with pytest.raises(UserError) as caught:
        Hyperparameters.load(path)
    assert str(caught.value).startswith(f"{path}: These are no stored hyperparameters: {name}: ")
    assert repr(value) in caught.value.problem
    assert "emotion tune" in caught.value.remedy


def test_a_whole_number_is_a_rate_too(tmp_path: Path):
    path = tmp_path / "best.json"
    path.write_text('{"learning_rate": 1}')
    assert Hyperparameters.load(path).learning_rate == 1.0
