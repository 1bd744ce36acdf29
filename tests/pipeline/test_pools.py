"""Steps of the pipeline in the processes of one of Beam's worker pools."""

from __future__ import annotations

from pathlib import Path

from benchmarks.engines import FinishedRun, compare, worker_pool

from ..conftest import SampleRun


def test_ingestion_and_statistics_give_the_same_in_a_worker_pool(
    sample_run_in_place: SampleRun, tmp_path: Path
):
    run = FinishedRun(sample_run_in_place.paths.root)
    with worker_pool(2) as beam_args:
        for step in ("CsvExampleGen", "StatisticsGen"):
            run.again(step, beam_args, tmp_path / step)
            assert compare(run, step, tmp_path / step)
