"""Whole runs of the pipeline on the bundled sample, as ``emotion train`` makes them."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import v1 as tfx

from emotion_tfx.config import Paths
from emotion_tfx.errors import UserError
from emotion_tfx.model.classifier import EmotionClassifier
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.locate import newest_version
from emotion_tfx.pipeline.run import _explained, _stored_hyperparameters

from ..command import SAMPLE, environment, start, train
from ..conftest import SampleRun

LEARNS = ("CsvExampleGen", "StatisticsGen", "Transform", "Trainer")
JUDGES = ("LatestBlessed", "Evaluator", "Reporter", "Pusher")


def content(folder: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def assert_metadata_sound(paths: Paths) -> None:
    """The database is whole, and what each component did last is finished and on disk."""
    with sqlite3.connect(paths.metadata) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = MetadataStore(
        tfx.orchestration.metadata.sqlite_metadata_connection_config(str(paths.metadata))
    )
    for node in store.get_contexts_by_type("node"):
        last = max(store.get_executions_by_context(node.id), key=lambda each: each.id)
        assert last.last_known_state in (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED), node.name
        events = store.get_events_by_execution_ids([last.id])
        given = [each.artifact_id for each in events if each.type == mlmd.Event.OUTPUT]
        for artifact in store.get_artifacts_by_id(given):
            assert Path(artifact.uri).exists(), artifact.uri


def test_a_run_tells_of_each_component_and_pushes_the_model_with_its_card(sample_run: SampleRun):
    told = list(sample_run.ended.components)
    assert told[0] == "PrepareData"
    assert set(told) > {*LEARNS, *JUDGES, "ImportSchemaGen", "ExampleValidator"}
    assert f"pushed  {sample_run.model}" in sample_run.ended.output
    assert "accuracy" in sample_run.ended.output
    assert (sample_run.model / "README.md").read_text(encoding="utf-8").startswith("---")
    assert (sample_run.model / "assets.extra" / "metrics.json").is_file()
    assert f"report  {sample_run.paths.report / 'report.html'}" in sample_run.ended.output
    assert EmotionClassifier(sample_run.model).predict("i am so happy").label == "joy"


def test_a_run_on_the_sample_keeps_apart_from_those_on_real_data(sample_run: SampleRun):
    assert [path.name for path in sample_run.output.iterdir()] == ["sample"]


def test_a_runs_metadata_are_sound(sample_run: SampleRun):
    assert_metadata_sound(sample_run.paths)


def test_a_repeated_run_does_nothing_twice_but_puts_a_lost_card_back(
    sample_run_to_change: SampleRun,
):
    run = sample_run_to_change
    before = content(run.model)
    (run.model / "README.md").unlink()
    ended = train(run.output)
    assert ended.code == 0, ended.errors
    assert ended.unchanged >= set(LEARNS)
    assert f"unchanged  {run.model}" in ended.output
    assert newest_version(run.paths.serving_model) == run.model
    assert set(content(run.model)) == set(before)
    graph = "saved_model.pb"
    assert content(run.model)[graph] == before[graph]


def assert_refused(run: SampleRun, reason: str, settings: Mapping[str, str] | None = None) -> None:
    before = content(run.paths.serving_model)
    ended = train(run.output, settings)
    assert ended.code == 1
    assert f"was not pushed; in service stays {run.model}" in ended.output
    assert reason in (run.paths.report / "report.html").read_text(encoding="utf-8")
    assert content(run.paths.serving_model) == before
    assert_metadata_sound(run.paths)


def test_a_model_below_the_floor_is_not_pushed(sample_run_to_change: SampleRun):
    assert_refused(
        sample_run_to_change, "below the floor of 0.990", {"EMOTION_MIN_ACCURACY": "0.99"}
    )


def test_a_model_worse_than_the_one_in_service_is_not_pushed(sample_run_to_change: SampleRun):
    hardly_trained = Hyperparameters(learning_rate=1e-6, epochs=1, min_examples=1)
    hardly_trained.save(sample_run_to_change.paths.hyperparameters)
    assert_refused(sample_run_to_change, "model in service", {"EMOTION_MIN_ACCURACY": "0"})


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
@pytest.mark.parametrize("size", ["64k", "2m"])
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


def assert_no_process_left(process: subprocess.Popen[str]) -> None:
    """None of its process group, at whose head it was."""
    process.communicate()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_run_killed_again_and_again_goes_on_from_where_it_was(tmp_path: Path):
    for done in ("LoadTFX", "RequireNoAnomalies", "Transform", "Trainer"):
        process = start_training(tmp_path, until=done)
        time.sleep(3)  # well into the next component
        os.killpg(process.pid, signal.SIGKILL)
        assert_no_process_left(process)
        assert not Paths(tmp_path / "sample").serving_model.exists()
    ended = train(tmp_path)
    assert ended.code == 0, ended.errors
    assert ended.unchanged >= set(LEARNS)
    assert "pushed  " in ended.output
    assert_metadata_sound(Paths(tmp_path / "sample"))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_ends_without_a_traceback_and_leaves_no_process(
    tmp_path: Path, stop: signal.Signals
):
    process = start_training(tmp_path, until="LoadTFX")
    os.killpg(process.pid, stop)
    _, errors = process.communicate()
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert_no_process_left(process)


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


def test_a_failure_is_told_by_its_cause_and_not_by_what_was_overcome_before(tmp_path: Path):
    def fails() -> None:
        try:
            raise ValueError("no such file system")  # what a library handles and goes on from
        except ValueError:
            raise ConnectionError("the engine cannot be reached.")  # noqa: B904

    with pytest.raises(UserError) as caught, _explained(Paths(tmp_path)):
        try:
            fails()
        except ConnectionError as error:
            raise RuntimeError("component failed") from error
    assert caught.value.problem == (
        "The pipeline failed: ConnectionError: the engine cannot be reached"
    )
    assert str(tmp_path / "pipeline.log") in caught.value.remedy
