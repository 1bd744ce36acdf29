"""The Beam steps of a finished run once more, on several engines: how long, and whether the same.

    emotion train --data FILE.csv --output output
    python benchmarks/engines.py output

Each step runs by itself on the inputs that it had in the run. Two workers are processes of a worker
pool (Beam's own) on this machine; what they give is compared with what the run gave.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

STEPS = ("CsvExampleGen", "StatisticsGen", "Transform", "Evaluator")
_LOCAL = ("--runner=DirectRunner", "--direct_running_mode=in_memory")
_PROCESSES = ("--runner=DirectRunner", "--direct_running_mode=multi_processing")


@contextmanager
def worker_pool(workers: int) -> Iterator[list[str]]:
    """A pool of Beam's on this machine; gives the options that run a step in its workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    programs = Path(sys.executable).parent
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "apache_beam.runners.worker.worker_pool_main",
            f"--service_port={port}",
        ],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield [
            "--runner=emotion_tfx.pipeline.pools.WorkerPools",
            f"--environment_config=localhost:{port}",
            f"--direct_num_workers={workers}",
        ]
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


class FinishedRun:
    """A run of the pipeline, of which single steps can be run again.

    Args:
        root: Its folder, that holds ``metadata.sqlite``.
    """

    def __init__(self, root: Path) -> None:
        from ml_metadata.metadata_store import MetadataStore
        from tfx import v1 as tfx

        config = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(root / "metadata.sqlite")
        )
        self._store = MetadataStore(config)

    def output(self, step: str, key: str) -> Path:
        """What a step gave in the run."""
        _, outputs, _ = self._execution(step)
        return Path(outputs[key][0].uri)

    def again(self, step: str, beam_args: Sequence[str], folder: Path) -> float:
        """Runs a step with its inputs of the run.

        Args:
            step: Its name.
            beam_args: The engine and its options.
            folder: Where its outputs go, one folder each.

        Returns:
            Seconds.
        """
        from tfx.components.evaluator.executor import Executor as Evaluator
        from tfx.components.example_gen.csv_example_gen.executor import Executor as CsvExampleGen
        from tfx.components.statistics_gen.executor import Executor as StatisticsGen
        from tfx.components.transform.executor import Executor as Transform

        executors = dict(
            zip(STEPS, (CsvExampleGen, StatisticsGen, Transform, Evaluator), strict=True)
        )
        inputs, outputs, properties = self._execution(step)
        for key, artifacts in outputs.items():
            (folder / key).mkdir(parents=True)
            artifacts[0].uri = str(folder / key)
        context = executors[step].Context(
            beam_pipeline_args=list(beam_args), tmp_dir=str(folder / ".temp"), unique_id="1"
        )
        begin = time.monotonic()
        executors[step](context).Do(inputs, outputs, properties)
        return time.monotonic() - begin

    def _execution(self, step: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Inputs, outputs and properties of the step's last execution of its own."""
        from ml_metadata.proto import metadata_store_pb2 as mlmd
        from tfx.types import artifact_utils

        node = self._store.get_context_by_type_and_name("node", f"emotion.{step}")
        done = [
            each
            for each in self._store.get_executions_by_context(node.id)
            if each.last_known_state == mlmd.Execution.COMPLETE
        ]
        last = max(done, key=lambda each: each.id)
        found: dict[int, dict[str, Any]] = {mlmd.Event.INPUT: {}, mlmd.Event.OUTPUT: {}}
        for event in self._store.get_events_by_execution_ids([last.id]):
            (artifact,) = self._store.get_artifacts_by_id([event.artifact_id])
            (kind,) = self._store.get_artifact_types_by_id([artifact.type_id])
            key = event.path.steps[0].key
            made = artifact_utils.deserialize_artifact(kind, artifact)
            found[event.type].setdefault(key, []).append(made)
        properties = {
            key: getattr(value, value.WhichOneof("value"))
            for key, value in last.custom_properties.items()
        }
        return found[mlmd.Event.INPUT], found[mlmd.Event.OUTPUT], properties


def examples(folder: Path) -> dict[str, list[str]]:
    """Every example of each split, in an order of its own."""
    import tensorflow as tf

    found = {}
    for split in sorted(folder.glob("Split-*")):
        files = [str(file) for file in split.glob("*.gz")]
        records = tf.data.TFRecordDataset(files, compression_type="GZIP")
        parsed = (tf.train.Example.FromString(record.numpy()) for record in records)
        found[split.name] = sorted(
            repr(sorted((name, str(value)) for name, value in one.features.feature.items()))
            for one in parsed
        )
    return found


def statistics(folder: Path) -> dict[str, dict[str, str]]:
    """The statistics of each split by column."""
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

    found = {}
    for split in sorted(folder.glob("Split-*")):
        content = (split / "FeatureStats.pb").read_bytes()
        (one,) = DatasetFeatureStatisticsList.FromString(content).datasets
        found[split.name] = {column.path.step[0]: str(column) for column in one.features}
    return found


def _transformed(folder: Path) -> object:
    words = next((folder / "transform_graph").rglob("assets/words")).read_bytes()
    return words, examples(folder / "transformed_examples")


def _evaluation(folder: Path) -> object:
    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(str(folder / "evaluation"))
    return dict(result.slicing_metrics)


def compare(run: FinishedRun, step: str, folder: Path) -> bool:
    """Whether a step gave the same as in the run."""
    if step == "CsvExampleGen":
        return examples(folder / "examples") == examples(run.output(step, "examples"))
    if step == "StatisticsGen":
        return statistics(folder / "statistics") == statistics(run.output(step, "statistics"))
    if step == "Transform":
        return _transformed(folder) == _transformed(_parent(run, step, "transform_graph", folder))
    return _evaluation(folder) == _evaluation(_parent(run, step, "evaluation", folder))


def _parent(run: FinishedRun, step: str, key: str, folder: Path) -> Path:
    """A folder that looks as ``folder`` does, of what the run gave."""
    looks = folder.with_name(f"{folder.name}-run")
    looks.mkdir(exist_ok=True)
    for output in folder.iterdir():
        link = looks / output.name
        if not link.exists() and output.name != ".temp":
            link.symlink_to(run.output(step, output.name))
    return looks


def main(
    output: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    workers: Annotated[
        int, typer.Option(help="Processes of the pool, and of multi_processing.")
    ] = 2,
    only: Annotated[list[str] | None, typer.Option(help="Only these steps.")] = None,
) -> None:
    """Run the Beam steps of a finished run again on several engines, and compare."""
    run = FinishedRun(output)
    with worker_pool(workers) as pool, tempfile.TemporaryDirectory() as scratch:
        processes = [*_PROCESSES, f"--direct_num_workers={workers}"]
        engines = {"in_memory": list(_LOCAL), "multi_processing": processes, "worker pool": pool}
        for step in only or STEPS:
            for name, beam_args in engines.items():
                folder = Path(scratch) / f"{step}-{name.replace(' ', '-')}"
                seconds = run.again(step, beam_args, folder)
                same = "the same" if compare(run, step, folder) else "NOT the same"
                print(f"{step:16} {name:18} {seconds:7.1f} s   {same}", flush=True)


if __name__ == "__main__":
    typer.run(main)
