"""The Beam steps of a finished run once more, on several engines: how long, and whether the same.

    emotion train --data FILE.csv --output output
    python benchmarks/engines.py output

Each step runs by itself on the inputs that it had in the run, and a folder of all texts of the run
is predicted with the shipped model. Every measurement has a process of its own, which has imported
what it needs before the clock starts; processes that an engine starts load it while the clock runs.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from enum import Enum
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from emotion_tfx.config import Paths
from emotion_tfx.errors import UserError


class Step(str, Enum):
    """What runs on Beam: steps of the pipeline, and predicting a folder."""

    INGESTION = "CsvExampleGen"
    STATISTICS = "StatisticsGen"
    TRANSFORM = "Transform"
    EVALUATION = "Evaluator"
    PREDICTION = "predict"


#: All others are compared with this one.
LOCAL = "in_memory"
_PROCESSES = "multi_processing"
_POOL = "worker pool"
_OWN = "yours"
#: Files that a folder is predicted in, for each worker: enough that none is long idle at the end.
_PARTS = 10
#: A pool that ends its workers when it is ended, by Beam's own handler, which runs at exit only.
_POOL_PROGRAM = """
import signal, sys
from apache_beam.runners.worker.worker_pool_main import main
signal.signal(signal.SIGTERM, signal.default_int_handler)
main(sys.argv)
"""


@contextmanager
def worker_pool(workers: int) -> Iterator[list[str]]:
    """A pool of Beam's on this machine; gives the options that run a step in its workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    programs = Path(sys.executable).parent
    process = subprocess.Popen(
        [sys.executable, "-c", _POOL_PROGRAM, f"--service_port={port}"],
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

    Raises:
        UserError: There is no run in it.
    """

    def __init__(self, root: Path) -> None:
        from ml_metadata.metadata_store import MetadataStore
        from ml_metadata.proto import metadata_store_pb2 as mlmd

        self._paths = Paths(root)
        if not self._paths.metadata.is_file():
            inside = sorted(file.parent for file in root.glob("*/metadata.sqlite"))
            remedy = "Make one: emotion train --data FILE.csv --output FOLDER."
            if inside:
                remedy = f"There is one in {inside[0]}."
            raise UserError("There is no run of the pipeline", remedy, path=root)
        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(self._paths.metadata)
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE
        self._store = MetadataStore(config)

    def require(self, steps: Sequence[Step]) -> None:
        """Makes sure of what running the steps again needs.

        Raises:
            UserError: The run did not get to the end of a step, or its files are gone.
        """
        for step in steps:
            if step is not Step.PREDICTION:
                self._events(step)

    def output(self, step: Step, key: str) -> Path:
        """What a step gave in the run."""
        _, outputs, _ = self._execution(step)
        return Path(outputs[key][0].uri)

    def texts(self, split: str = "*") -> Iterator[str]:
        """The texts of the prepared corpus, of one split or of all."""
        for file in sorted(self._paths.data.glob(f"{split}/*.csv")):
            with file.open(encoding="utf-8", newline="") as stream:
                yield from (row["text"] for row in csv.DictReader(stream))

    def again(self, step: Step, beam_args: Sequence[str], folder: Path) -> float:
        """Runs a step with its inputs of the run.

        Args:
            step: Which; not the prediction, which is no step of the pipeline.
            beam_args: The engine and its options.
            folder: Where its outputs go, one folder each.

        Returns:
            Seconds.
        """
        executor = _executors()[step]
        inputs, outputs, properties = self._execution(step)
        for key, artifacts in outputs.items():
            (folder / key).mkdir(parents=True)
            artifacts[0].uri = str(folder / key)
        context = executor.Context(
            beam_pipeline_args=list(beam_args), tmp_dir=str(folder / ".temp"), unique_id="1"
        )
        begin = time.monotonic()
        executor(context).Do(inputs, outputs, properties)
        return time.monotonic() - begin

    def _execution(self, step: Step) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Inputs, outputs and properties of the step's last execution of its own."""
        from ml_metadata.proto import metadata_store_pb2 as mlmd
        from tfx.types import artifact_utils

        execution, events = self._events(step)
        found: dict[int, dict[str, Any]] = {mlmd.Event.INPUT: {}, mlmd.Event.OUTPUT: {}}
        for event, artifact in events:
            (kind,) = self._store.get_artifact_types_by_id([artifact.type_id])
            made = artifact_utils.deserialize_artifact(kind, artifact)
            found[event.type].setdefault(event.path.steps[0].key, []).append(made)
        properties = {
            key: getattr(value, value.WhichOneof("value"))
            for key, value in execution.custom_properties.items()
        }
        return found[mlmd.Event.INPUT], found[mlmd.Event.OUTPUT], properties

    def _events(self, step: Step) -> tuple[Any, list[tuple[Any, Any]]]:
        """The step's last execution of its own, and each artifact that it took or gave."""
        from ml_metadata.proto import metadata_store_pb2 as mlmd

        node = self._store.get_context_by_type_and_name("node", f"emotion.{step.value}")
        done = [
            each
            for each in (self._store.get_executions_by_context(node.id) if node else ())
            if each.last_known_state == mlmd.Execution.COMPLETE
        ]
        if not done:
            raise UserError(
                f"The run never got to the end of {step.value}",
                "Let `emotion train` finish with the same --output first.",
                path=self._paths.root,
            )
        last = max(done, key=lambda each: each.id)
        found = []
        for event in self._store.get_events_by_execution_ids([last.id]):
            (artifact,) = self._store.get_artifacts_by_id([event.artifact_id])
            if not Path(artifact.uri).exists():
                raise UserError(
                    f"{artifact.uri} is gone, which {step.value} took or gave",
                    "A run cannot be moved: run `emotion train` anew where it is to be.",
                    path=self._paths.root,
                )
            found.append((event, artifact))
        return last, found


def _executors() -> dict[Step, Any]:
    from tfx.components.evaluator.executor import Executor as Evaluator
    from tfx.components.example_gen.csv_example_gen.executor import Executor as CsvExampleGen
    from tfx.components.statistics_gen.executor import Executor as StatisticsGen
    from tfx.components.transform.executor import Executor as Transform

    return {
        Step.INGESTION: CsvExampleGen,
        Step.STATISTICS: StatisticsGen,
        Step.TRANSFORM: Transform,
        Step.EVALUATION: Evaluator,
    }


def examples(folder: Path) -> dict[str, list[bytes]]:
    """A digest of every example of each split, in an order of their own."""
    import tensorflow as tf

    def digest(record: bytes) -> bytes:
        example = tf.train.Example.FromString(record)
        return sha256(example.SerializeToString(deterministic=True)).digest()

    found = {}
    for split in sorted(folder.glob("Split-*")):
        files = [str(file) for file in split.glob("*.gz")]
        batches = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(1024)
        records = (record for batch in batches.as_numpy_iterator() for record in batch)
        found[split.name] = sorted(digest(record) for record in records)
    return found


def statistics(folder: Path) -> dict[str, dict[str, str]]:
    """The statistics of each split by column."""
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

    found = {}
    for split in sorted(folder.glob("Split-*")):
        content = (split / "FeatureStats.pb").read_bytes()
        (one,) = DatasetFeatureStatisticsList.FromString(content).datasets
        found[split.name] = {column.path.step[0]: _rounded(column) for column in one.features}
    return found


def _rounded(told: object) -> str:
    """As text, with nine digits: how numbers were put together changes the last of sixteen."""
    return re.sub(r"\d+\.\d+(e[-+]?\d+)?", lambda found: f"{float(found[0]):.9g}", str(told))


def _transformed(folder: Path) -> object:
    words = next((folder / "transform_graph").rglob("assets/words")).read_bytes()
    return words, examples(folder / "transformed_examples")


def _evaluation(folder: Path) -> object:
    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(str(folder / "evaluation"))
    return sorted(_rounded(each) for each in result.slicing_metrics)


def compare(run: FinishedRun, step: Step, folder: Path) -> bool:
    """Whether a step gave the same as in the run."""
    if step is Step.INGESTION:
        return examples(folder / "examples") == examples(run.output(step, "examples"))
    if step is Step.STATISTICS:
        return statistics(folder / "statistics") == statistics(run.output(step, "statistics"))
    if step is Step.TRANSFORM:
        return _transformed(folder) == _transformed(_parent(run, step, folder))
    return _evaluation(folder) == _evaluation(_parent(run, step, folder))


def _parent(run: FinishedRun, step: Step, folder: Path) -> Path:
    """A folder that looks as ``folder`` does, of what the run gave."""
    looks = folder.with_name(f"{folder.name}-run")
    looks.mkdir(exist_ok=True)
    for output in folder.iterdir():
        link = looks / output.name
        if not link.exists() and output.name != ".temp":
            link.symlink_to(run.output(step, output.name))
    return looks


@dataclass(frozen=True)
class Measured:
    """One measurement.

    Attributes:
        seconds: By the clock, from the start of the job to its end.
        cpu_seconds: Of all processes together, the start of an engine's own among them.
        same: Whether it gave what the run gave; a prediction, what the local runner gave.
        failure: Why there is none, if the engine could not do it.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    same: bool = False
    failure: str = ""


def _measure(root: Path, step: Step, args: Sequence[str], pool: int, folder: Path) -> Measured:
    """Measures in this process, with a pool of so many workers unless ``pool`` is 0."""
    run, predicting = FinishedRun(root), step is Step.PREDICTION
    _executors()
    before = _cpu_seconds()
    try:
        with worker_pool(pool) if pool else nullcontext(args) as beam_args:
            do = _predict if predicting else run.again
            seconds = do(step, beam_args, folder)
        used = _cpu_seconds() - before
        same = _same_files(folder) if predicting else compare(run, step, folder)
    except Exception as error:
        last = str(error).strip().splitlines()
        return Measured(failure=f"{type(error).__name__}: {last[-1] if last else ''}")
    return Measured(seconds, used, same)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _predict(_: Step, beam_args: Sequence[str], folder: Path) -> float:
    from emotion_tfx.model.locate import shipped_base
    from emotion_tfx.pipeline.many import predict_folder

    begin = time.monotonic()
    predict_folder(shipped_base(), folder.with_name("texts"), folder, "text", beam_args)
    return time.monotonic() - begin


def _same_files(folder: Path) -> bool:
    local = folder.with_name(f"{Step.PREDICTION.value}-{LOCAL}")
    return all(file.read_bytes() == (folder / file.name).read_bytes() for file in local.iterdir())


def _write_parts(texts: Sequence[str], folder: Path, parts: int) -> None:
    """Writes texts as CSV files of about the same length."""
    folder.mkdir()
    for part in range(parts):
        with (folder / f"{part:04}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text"], *([text] for text in texts[part::parts])])


def _quiet() -> None:
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    logging.disable(logging.CRITICAL)
    with Path(os.devnull).open("w") as nowhere:  # What the engines' own processes say, too.
        os.dup2(nowhere.fileno(), sys.stderr.fileno())


def _engines(workers: int, own: Sequence[str]) -> dict[str, list[str]]:
    """The options of each engine; those of a pool are known when it has started."""
    direct = "--runner=DirectRunner"
    engines = {
        LOCAL: [direct, "--direct_running_mode=in_memory"],
        _PROCESSES: [
            direct,
            "--direct_running_mode=multi_processing",
            f"--direct_num_workers={workers}",
        ],
        _POOL: [],
    }
    return engines | ({_OWN: list(own)} if own else {})


def _show(found: dict[tuple[Step, str], Measured], rows: dict[Step, int], workers: int) -> None:
    numbers = ("seconds", "rows/s", "ratio", "CPU s")
    table = Table(
        "step",
        Column("engine", min_width=16),
        *(Column(name, justify="right") for name in numbers),
        "same",
    )
    engines = list(dict.fromkeys(engine for _, engine in found))
    for (step, engine), one in found.items():
        number = engines.index(engine)
        table.add_row(
            (step.value, f"{rows[step]:,} rows", "", "")[number],
            engine,
            *(_figures(one, found[step, LOCAL], rows[step]) if not one.failure else ["-"] * 4),
            "failed" if one.failure else "yes" if one.same else "NO",
            end_section=number == len(engines) - 1,
        )
    console = Console()
    console.print(table)
    for (step, engine), one in found.items():
        if one.failure:
            console.print(f"{step.value}, {engine}: {one.failure}", soft_wrap=True, markup=False)
    console.print(
        f"{os.cpu_count()} cores, {workers} processes where there are several. The ratio is the "
        f"speed against {LOCAL}. A measurement begins with everything imported; processes that an "
        "engine starts import it while the clock runs, which weighs less in a larger run. "
        "TensorFlow uses several cores in one process too.",
        soft_wrap=True,
    )


def _figures(one: Measured, local: Measured, rows: int) -> list[str]:
    return [
        f"{one.seconds:.1f}",
        f"{rows / one.seconds:,.0f}",
        "-" if local.failure else f"{local.seconds / one.seconds:.2f}",
        f"{one.cpu_seconds:.0f}",
    ]


def _rows(run: FinishedRun) -> dict[Step, int]:
    """How many rows each step reads."""
    everything, test = (sum(1 for _ in run.texts(split)) for split in ("*", "test"))
    return {step: test if step is Step.EVALUATION else everything for step in Step}


def _measure_all(
    run: Path,
    steps: Sequence[Step],
    engines: dict[str, list[str]],
    workers: int,
    progress: Progress,
) -> Iterator[tuple[tuple[Step, str], Measured]]:
    task = progress.add_task("", total=len(steps) * len(engines))
    with tempfile.TemporaryDirectory() as scratch:
        if Step.PREDICTION in steps:
            texts = list(FinishedRun(run).texts())
            _write_parts(texts, Path(scratch) / "texts", _PARTS * workers)
        for step in steps:
            for engine, args in engines.items():
                progress.update(task, description=f"{step.value}, {engine}")
                folder = Path(scratch) / f"{step.value}-{engine}"
                pool = workers if engine == _POOL else 0
                with ProcessPoolExecutor(1, get_context("spawn"), _quiet) as apart:
                    one = apart.submit(_measure, run, step, args, pool, folder).result()
                told = one.failure or f"{one.seconds:.1f} s"
                progress.console.print(f"{step.value}, {engine}: {told}", highlight=False)
                progress.advance(task)
                yield (step, engine), one
                if (step, engine) != (Step.PREDICTION, LOCAL):  # The others are compared with it.
                    shutil.rmtree(folder, ignore_errors=True)


def main(
    output: Annotated[
        Path, typer.Argument(help="Folder of a finished run: the --output of `emotion train`.")
    ],
    workers: Annotated[
        int, typer.Option(min=1, help="Processes of the pool, and of multi_processing.")
    ] = 2,
    only: Annotated[
        list[Step] | None, typer.Option(help="Only this; may be given several times.")
    ] = None,
    beam_arg: Annotated[
        list[str] | None,
        typer.Option(help="An option of an engine of yours, to be measured as well."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Run the Beam steps of a finished run again on several engines: how fast, and the same?

    The engines are Beam's local runner in one process (in_memory), the same with
    processes of its own (multi_processing), and a worker pool on this machine.
    Each answer is compared with the run's. Nothing of the run is changed.

    Nothing else should run meanwhile. Each process that an engine starts loads
    TensorFlow, which takes ten seconds or more: a small run measures that alone.

    All of it, then two steps with four processes, then an engine of yours:

    python benchmarks/engines.py output

    python benchmarks/engines.py output --only Transform --only predict --workers 4

    python benchmarks/engines.py output --beam-arg=--runner=FlinkRunner
    --beam-arg=--flink_master=HOST:8081
    """
    steps, engines = list(only or Step), _engines(workers, beam_arg or [])
    try:
        run = FinishedRun(output)
        run.require(steps)
    except UserError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        found = dict(_measure_all(output, steps, engines, workers, progress))
    rows = _rows(run)
    if as_json:
        print(
            json.dumps(
                {
                    "cores": os.cpu_count(),
                    "workers": workers,
                    "measured": [
                        {"step": step.value, "engine": engine, "rows": rows[step], **asdict(one)}
                        for (step, engine), one in found.items()
                    ],
                }
            )
        )
    else:
        _show(found, rows, workers)
    if not all(one.same for one in found.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
