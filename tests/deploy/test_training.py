"""What the training job does around `emotion train`: what it pushes, in which order, what it keeps.

`emotion` is a short script here: what it does itself is tested with the pipeline.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..command import REPOSITORY

SCRIPT = REPOSITORY / "deploy" / "kubernetes" / "training" / "train-and-push.sh"

#: Leaves what `emotion train` leaves, and says what it was told.
EMOTION = """#!/bin/sh
echo "$@" >> "$TOLD"
echo run >> "$EMOTION_OUTPUT/metadata.sqlite"
if [ -n "${VERSION:-}" ]; then
    version=$EMOTION_OUTPUT/serving_model/emotion/$VERSION
    mkdir -p "$version/variables" "$version/assets"
    echo graph > "$version/saved_model.pb"
    echo weights > "$version/variables/variables.index"
    echo words > "$version/assets/vocabulary with a space.txt"
fi
exit "${CODE:-0}"
"""


@dataclass
class Job:
    """The job and its volume; each run begins with nothing but the volume."""

    folder: Path
    by_path: bool

    @property
    def volume(self) -> Path:
        return self.folder / "volume"

    @property
    def versions(self) -> list[str]:
        models = self.volume / "models" / "emotion"
        return sorted(each.name for each in models.iterdir()) if models.exists() else []

    def run(self, **settings: str) -> int:
        output = self.folder / "output"
        shutil.rmtree(output, ignore_errors=True)
        # As Kubernetes starts it, and as Cloud Run does.
        command = ["sh", SCRIPT] if self.by_path else ["sh", "-euc", SCRIPT.read_text(), "name"]
        return subprocess.run(
            [*command, "data.csv", self.volume, "--unseen", "test.csv"],
            env={
                "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "EMOTION_OUTPUT": str(output),
                "TOLD": str(self.folder / "told"),
                **settings,
            },
            stdout=subprocess.DEVNULL,
        ).returncode


@pytest.fixture(params=[True, False], ids=["by path", "by text"])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    (tmp_path / "bin").mkdir()
    (tmp_path / "volume").mkdir()
    command = tmp_path / "bin" / "emotion"
    command.write_text(EMOTION)
    command.chmod(0o755)
    return Job(tmp_path, request.param)


def test_a_good_model_is_pushed_whole(job: Job):
    assert job.run(VERSION="17") == 0
    pushed = job.volume / "models" / "emotion" / "17"
    assert {str(each.relative_to(pushed)) for each in pushed.rglob("*") if each.is_file()} == {
        "saved_model.pb",
        "variables/variables.index",
        "assets/vocabulary with a space.txt",
    }
    assert (job.folder / "told").read_text() == "train --data data.csv --unseen test.csv\n"


def test_the_file_that_makes_it_a_version_comes_last(job: Job):
    job.run(VERSION="17")
    pushed = job.volume / "models" / "emotion" / "17"
    files = [each for each in pushed.rglob("*") if each.is_file()]
    assert max(files, key=lambda each: each.stat().st_mtime_ns).name == "saved_model.pb"


def test_the_next_run_knows_what_the_last_one_left(job: Job):
    job.run(VERSION="17")
    job.run(VERSION="18")
    assert job.versions == ["17", "18"]
    with tarfile.open(job.volume / "pipeline.tar") as kept:
        records = kept.extractfile("./metadata.sqlite")
        assert records is not None
        assert records.read() == b"run\nrun\n"


def test_a_model_that_was_not_good_enough_is_not_pushed_but_the_run_is_kept(job: Job):
    job.run(VERSION="17")
    assert job.run(CODE="1") == 1, "the job tells that it failed"
    assert job.versions == ["17"]
    job.run(VERSION="18")
    assert job.versions == ["17", "18"]


def test_a_model_that_was_rolled_back_stays_away(job: Job):
    job.run(VERSION="17")
    job.run(VERSION="18")
    shutil.rmtree(job.volume / "models" / "emotion" / "18")
    job.run(VERSION="19")
    assert job.versions == ["17", "19"]
