"""Runs that a full disk, a kill or a stop ends before their time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from emotion_tfx.config import Paths

from ..command import SAMPLE, environment, start, train
from .metadata import assert_metadata_sound


def train_on_a_small_disk(folder: Path, size: str) -> subprocess.CompletedProcess[str]:
    """Runs the pipeline with its output on a disk of that size, which goes when it ends."""
    command = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift && exec "$0" -m emotion_tfx.cli '
    command += 'train --data "$2" --output "$1"'
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, sys.executable, size, folder, SAMPLE],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def may_mount() -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare` here to mount a small disk with")
    attempt = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"],
        capture_output=True,
        check=False,
    )
    if attempt.returncode:
        pytest.skip("this system does not let a user mount a small disk")


@pytest.mark.usefixtures("may_mount")
@pytest.mark.parametrize("size", ["64k", "1m"])
def test_a_full_disk_ends_a_run_in_one_message(tmp_path: Path, size: str):
    ended = train_on_a_small_disk(tmp_path, size)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "disk is full" in ended.stderr or "No space left on device" in ended.stderr
    assert "ree some space" in ended.stderr
    assert "pushed" not in ended.stdout


def start_training(output: Path, until: str) -> subprocess.Popen[str]:
    """Starts a run and waits for the line of the component named."""
    process = start("train", "--data", SAMPLE, "--output", output)
    assert process.stdout is not None
    for line in process.stdout:
        if f"✓ {until} " in line:
            return process
    raise AssertionError(f"the run ended before {until}: {process.communicate()[1]}")


def living(group: int) -> list[str]:
    """The processes of a group that run; those that only wait for their parent to look do not."""
    processes = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It may end at any time.
            # proc(5): after the name in parentheses come the state, the parent and the group.
            state, _, its_group, *_ = file.read_text().rpartition(")")[2].split()
            if int(its_group) == group and state not in "ZX":
                processes.append(file.parent.name)
    return processes


def test_a_run_stopped_again_and_again_leaves_no_process_and_goes_on_from_where_it_was(
    tmp_path: Path,
):
    for done, stop in (
        ("LoadTFX", signal.SIGINT),
        ("RequireNoAnomalies", signal.SIGKILL),
        ("Transform", signal.SIGTERM),
        ("Trainer", signal.SIGKILL),
    ):
        process = start_training(tmp_path, until=done)
        time.sleep(3)  # well into the next component
        os.killpg(process.pid, stop)
        _, errors = process.communicate()
        assert process.returncode != 0
        assert "Traceback" not in errors
        assert not living(process.pid), "somebody is left of the group it headed"
        assert not Paths(tmp_path / "sample").serving_model.exists()
    ended = train(tmp_path)
    assert ended.code == 0, ended.errors
    assert ended.unchanged >= {"CsvExampleGen", "StatisticsGen", "Transform", "Trainer"}
    assert "pushed  " in ended.output
    assert_metadata_sound(Paths(tmp_path / "sample"))
