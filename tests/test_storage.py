"""Folders in a bucket: TensorFlow's file system in memory stands for one."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from emotion_tfx.storage import fetched, is_remote, sent

BUCKET = "ram://bucket"


def write(file: str, text: str) -> None:
    with tf.io.gfile.GFile(file, "w") as opened:
        opened.write(text)


def read(file: str) -> str:
    with tf.io.gfile.GFile(file) as opened:
        return opened.read()


def test_what_is_in_a_bucket_is_there_to_read_as_files():
    tf.io.gfile.makedirs(f"{BUCKET}/model/variables")
    write(f"{BUCKET}/model/graph", "a graph")
    write(f"{BUCKET}/model/variables/index", "an index")
    with fetched(f"{BUCKET}/model") as folder:
        assert (folder / "graph").read_text() == "a graph"
        assert (folder / "variables" / "index").read_text() == "an index"
    assert not folder.exists()


def test_what_is_written_gets_to_the_bucket():
    with sent(f"{BUCKET}/report") as folder:
        (folder / "plots").mkdir()
        (folder / "plots" / "one.svg").write_text("a plot")
        (folder / "report.html").write_text("a report")
    assert read(f"{BUCKET}/report/report.html") == "a report"
    assert read(f"{BUCKET}/report/plots/one.svg") == "a plot"


def test_what_failed_half_way_does_not_get_to_the_bucket():
    with pytest.raises(FileNotFoundError), sent(f"{BUCKET}/failed") as folder:
        (folder / "no" / "such" / "folder").write_text("half a report")
    assert not tf.io.gfile.exists(f"{BUCKET}/failed")


def test_a_folder_of_this_machine_is_itself(tmp_path: Path):
    for opened in (fetched, sent):
        with opened(str(tmp_path)) as folder:
            assert folder == tmp_path


@pytest.mark.parametrize(("place", "remote"), [("gs://b/f", True), ("/f", False), ("f", False)])
def test_an_address_is_told_from_a_path(place: str, remote: bool):
    assert is_remote(place) == remote
