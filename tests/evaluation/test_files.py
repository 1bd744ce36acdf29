from __future__ import annotations

from pathlib import Path

import pytest

from emotion_tfx.errors import UserError
from emotion_tfx.evaluation.files import write_atomically


def test_folders_are_made_and_files_replaced(tmp_path: Path):
    path = tmp_path / "deep" / "down" / "file.txt"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_nothing_behind(tmp_path: Path):
    path = tmp_path / "taken"
    path.mkdir()
    with pytest.raises(UserError, match="cannot be written") as caught:
        write_atomically(path, b"bytes")
    assert caught.value.path == path
    assert list(tmp_path.iterdir()) == [path]
