from __future__ import annotations

from pathlib import Path

import pytest

from emotion_tfx.config import Settings
from emotion_tfx.errors import UserError
from emotion_tfx.model import locate
from emotion_tfx.model.locate import default_base, default_model, newest_version, shipped_base


def version(base: Path, name: str, *, complete: bool = True) -> Path:
    folder = base / name
    folder.mkdir(parents=True)
    if complete:
        (folder / "saved_model.pb").touch()
    return folder


def test_the_newest_version_is_the_highest_number_not_the_last_in_the_alphabet(tmp_path: Path):
    version(tmp_path, "9")
    newest = version(tmp_path, "10")
    assert newest_version(tmp_path) == newest


def test_a_version_still_being_copied_is_not_there_yet(tmp_path: Path):
    whole = version(tmp_path, "1")
    version(tmp_path, "2", complete=False)
    assert newest_version(tmp_path) == whole


@pytest.mark.parametrize("name", ["1.tmp", "1-old", "latest", "2²"])
def test_only_plain_numbers_are_versions(tmp_path: Path, name: str):
    version(tmp_path, name)
    assert newest_version(tmp_path) is None


def test_a_folder_that_is_not_there_has_no_version(tmp_path: Path):
    assert newest_version(tmp_path / "nowhere") is None


def test_the_users_own_model_wins_over_the_shipped_one(tmp_path: Path):
    settings = Settings(output=tmp_path)
    pushed = version(settings.paths(sample=False).serving_model, "7")
    assert default_model(settings) == pushed


def test_a_model_of_the_sample_is_never_the_default(tmp_path: Path):
    settings = Settings(output=tmp_path)
    version(settings.paths(sample=True).serving_model, "7")
    if newest_version(shipped_base()):
        assert default_base(settings) == shipped_base()
    else:
        with pytest.raises(UserError, match="no model yet"):
            default_base(settings)


def test_without_any_model_the_user_is_told_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locate, "shipped_base", lambda: tmp_path / "shipped")
    with pytest.raises(UserError, match="emotion train"):
        default_model(Settings(output=tmp_path))
