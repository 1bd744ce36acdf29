from __future__ import annotations

from pathlib import Path

import pytest

from emotion_tfx.config import Paths, Settings
from emotion_tfx.errors import UserError


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without ``emotion.toml``, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"EMOTION_{name.upper()}", raising=False)
    return tmp_path


def test_the_gate_is_an_accuracy_of_three_quarters_unless_told():
    assert Settings.load().min_accuracy == 0.75


def test_arguments_win_over_the_environment_and_that_over_the_file(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (empty_folder / "emotion.toml").write_text("seed = 1\nmax_drop = 0.1\nmin_accuracy = 0.6\n")
    monkeypatch.setenv("EMOTION_SEED", "2")
    monkeypatch.setenv("EMOTION_MAX_DROP", "0.2")
    settings = Settings.load(seed=3)
    assert (settings.seed, settings.max_drop, settings.min_accuracy) == (3, 0.2, 0.6)


def test_beam_arguments_are_a_json_list_in_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMOTION_BEAM_ARGS", '["--runner=FlinkRunner", "--parallelism=4"]')
    assert Settings.load().beam_args == ["--runner=FlinkRunner", "--parallelism=4"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EMOTION_MIN_ACCURACY", "1.1"),
        ("EMOTION_MIN_ACCURACY", "high"),
        ("EMOTION_MAX_DROP", "-0.1"),
        ("EMOTION_SEED", "2.5"),
        ("EMOTION_BEAM_ARGS", "--runner=FlinkRunner"),
    ],
)
def test_a_wrong_value_is_told_with_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError) as error:
        Settings.load()
    assert variable.removeprefix("EMOTION_").lower() in str(error.value)


@pytest.mark.parametrize("content", ["seed = \n", "no_such_setting = 1\n", "seed = 'x'\n"])
def test_a_wrong_file_is_told(empty_folder: Path, content: str):
    (empty_folder / "emotion.toml").write_text(content)
    with pytest.raises(UserError, match=r"emotion\.toml"):
        Settings.load()


def test_the_environment_may_hold_other_variables_of_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMOTION_OFFLINE", "1")
    Settings.load()


def test_paths_are_absolute_and_the_sample_keeps_apart(empty_folder: Path):
    settings = Settings.load(output=Path("out"))
    assert settings.paths(sample=False) == Paths(empty_folder / "out")
    assert settings.paths(sample=True) == Paths(empty_folder / "out" / "sample")


def test_everything_stands_inside_the_root(tmp_path: Path):
    paths = Paths(tmp_path)
    everything = [
        paths.data,
        paths.artifacts,
        paths.metadata,
        paths.hyperparameters,
        paths.serving_model,
        paths.report,
        paths.log,
    ]
    assert len(set(everything)) == len(everything)
    assert all(path.is_relative_to(tmp_path) for path in everything)
