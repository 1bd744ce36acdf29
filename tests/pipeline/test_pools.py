"""Steps of the pipeline in the processes of one of Beam's worker pools."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import apache_beam as beam
import pytest

from benchmarks.engines import FinishedRun, Step, compare, worker_pool
from emotion_tfx.bulk import predict_csv
from emotion_tfx.data import read_csv, sample_corpus
from emotion_tfx.errors import UserError
from emotion_tfx.model.classifier import EmotionClassifier
from emotion_tfx.model.locate import shipped_base
from emotion_tfx.pipeline import pools
from emotion_tfx.pipeline.many import predict_folder

from ..conftest import SampleRun


def test_ingestion_and_statistics_give_the_same_in_a_worker_pool(
    sample_run_in_place: SampleRun, tmp_path: Path
):
    run = FinishedRun(sample_run_in_place.paths.root)
    with worker_pool(2) as beam_args:
        for step in (Step.INGESTION, Step.STATISTICS):
            run.again(step, beam_args, tmp_path / step)
            assert compare(run, step, tmp_path / step)


def test_a_folder_is_answered_in_a_worker_pool_as_its_files_are_one_by_one(tmp_path: Path):
    texts = [row.text for row in read_csv(sample_corpus().files[0])][:1200]
    source, target, alone = (tmp_path / name for name in ("texts", "answers", "alone"))
    source.mkdir()
    alone.mkdir()
    for part in range(4):
        with (source / f"part-{part}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text"], *([text] for text in texts[part::4])])
    with worker_pool(2) as beam_args:
        assert predict_folder(shipped_base(), source, target, "text", beam_args) == 4
    classifier = EmotionClassifier(shipped_base())
    for file in source.iterdir():
        predict_csv(classifier, file, alone / file.name, "text")
        assert (target / file.name).read_bytes() == (alone / file.name).read_bytes()


def test_a_file_that_cannot_be_answered_is_named_and_the_others_are_kept(tmp_path: Path):
    source, target = tmp_path / "texts", tmp_path / "answers"
    source.mkdir()
    (source / "bad.csv").write_text("body\ni am glad\n")
    with pytest.raises(UserError) as told:
        predict_folder(shipped_base(), source, target, "text", ["--runner=DirectRunner"])
    assert "bad.csv" in str(told.value)
    assert "no column 'text'" in str(told.value)
    assert not list(target.iterdir())


def test_a_folder_without_csv_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="no CSV"):
        predict_folder(None, tmp_path, tmp_path / "answers", "text", [])


def run(beam_args: list[str], what: object) -> None:
    with beam.Pipeline(argv=beam_args) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(what)


# Beam's own thread for what such a worker sends says so, too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_ends_too_early_ends_the_job():
    with (
        worker_pool(2) as beam_args,
        pytest.raises(RuntimeError, match="ended before its work was done"),
    ):
        run(beam_args, os._exit)


def test_workers_that_cannot_reach_this_machine_are_told_of(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pools, "_PATIENCE", 3)
    monkeypatch.setattr(pools._WatchedWorker, "host_from_worker", lambda _: "nowhere.invalid")
    with worker_pool(1) as beam_args, pytest.raises(RuntimeError, match=r"nowhere\.invalid"):
        run(beam_args, str)


def test_a_pool_that_is_not_there_is_told_of():
    beam_args = [
        "--runner=emotion_tfx.pipeline.pools.WorkerPools",
        "--environment_config=localhost:1",
    ]
    with pytest.raises(RuntimeError, match="No worker pool answers at localhost:1"):
        run(beam_args, str)


def test_the_benchmark_of_engines_wants_the_folder_of_a_run(tmp_path: Path):
    with pytest.raises(UserError, match=r"emotion train .*--output"):
        FinishedRun(tmp_path)
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "metadata.sqlite").touch()
    with pytest.raises(UserError, match=r"There is one in .*sample"):
        FinishedRun(tmp_path)
