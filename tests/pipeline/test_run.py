from __future__ import annotations

from pathlib import Path

from emotion_tfx.config import Paths
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.pipeline.run import _stored_hyperparameters


def test_without_a_search_the_defaults_are_trained_with(tmp_path: Path):
    folder = _stored_hyperparameters(Paths(tmp_path))
    assert Hyperparameters.load(folder / "best_hyperparameters.txt") == Hyperparameters()


def test_what_a_search_found_is_trained_with_and_changes_the_artifact(tmp_path: Path):
    paths = Paths(tmp_path)
    before = _stored_hyperparameters(paths)
    Hyperparameters(units=96).save(paths.hyperparameters)
    after = _stored_hyperparameters(paths)
    assert Hyperparameters.load(after / "best_hyperparameters.txt").units == 96
    assert after != before
    assert _stored_hyperparameters(paths) == after
