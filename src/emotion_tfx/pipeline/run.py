"""Running the pipeline on this machine, from a corpus to a pushed model, a line a component."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from emotion_tfx.config import Paths, Settings
from emotion_tfx.cores import training_threads
from emotion_tfx.data import Corpus, Extra, prepare
from emotion_tfx.errors import UserError
from emotion_tfx.evaluation.gates import FILE as GATE
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.pipeline.code import package_facts

#: What a model of the bundled sample must reach to be served: well above guessing, no more.
_SAMPLE_FLOOR = 0.25


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        paths: Where everything is.
        version: The newest version in service, if there is any.
        pushed: Whether this run pushed it.
        accepted: Whether the model of this run was good enough; it is not pushed twice.
        report: The HTML report.
        compared: The model that the gate compared this run's with, if there was one.
        reasons: What the gate found, in sentences.
    """

    paths: Paths
    version: Path | None
    pushed: bool
    accepted: bool
    report: Path
    compared: Path | None
    reasons: tuple[str, ...]


def run_pipeline(
    corpus: Corpus,
    settings: Settings,
    console: Console,
    *,
    extras: Sequence[Extra] = (),
    unseen: Sequence[Path] = (),
    feedback: Sequence[Extra] = (),
    trials: int = 0,
) -> RunResult:
    """Prepares the corpus and runs every component whose inputs have changed.

    Args:
        corpus: What to learn from.
        settings: Where to and how strictly.
        console: Told about each component.
        extras: Further texts for training only.
        unseen: Files whose texts must not be trained on.
        feedback: What people said about texts, for training only. With it, a model is also
            compared with the one that comes with the package, where no run has pushed one yet.
        trials: Trainings to search hyperparameters with; 0 uses those stored.

    Raises:
        UserError: Something the user can mend; nothing was pushed.
    """
    paths = settings.paths(sample=corpus.is_sample)
    started = time.perf_counter()
    with _quiet(paths.log), _explained(paths), training_threads():
        report = prepare(corpus, paths.data, extras=extras, unseen=unseen, feedback=feedback)
        told = f", {report.feedback:,} of them feedback" if feedback else ""
        rows = f"{corpus.name}, {report.rows_written:,} rows{told}"
        _tell(console, "PrepareData", started, rows)
        if paths.hyperparameters.is_file() and not trials:
            console.print(f"hyperparameters  {paths.hyperparameters}", soft_wrap=True)
        started = time.perf_counter()
        before = newest_version(paths.serving_model)
        compared = before
        if before is None and feedback and not corpus.is_sample:
            compared = newest_version(shipped_base())
        pipeline = _create(corpus, paths, settings, trials, None if before else compared)
        _tell(console, "LoadTFX", started)
        _run_locally(pipeline, console)
    if trials:
        _keep_best(paths)
        console.print(
            f"hyperparameters kept for the runs to come  {paths.hyperparameters}", soft_wrap=True
        )
    return _collect(paths, before, compared)


def _create(
    corpus: Corpus, paths: Paths, settings: Settings, trials: int, baseline: Path | None
) -> object:
    from emotion_tfx.pipeline.pipeline import PipelineSettings, create_pipeline

    return create_pipeline(
        PipelineSettings(
            data=paths.data,
            data_report=(paths.data / "report.json").read_text(encoding="utf-8"),
            root=paths.artifacts,
            metadata=paths.metadata,
            serving_model=paths.serving_model,
            hyperparameters=paths.artifacts if trials else _stored_hyperparameters(paths),
            facts={"corpus": corpus.name},
            code=json.dumps(package_facts()),
            baseline=None if baseline is None else _as_artifact(baseline, paths),
            trials=trials,
            min_accuracy=floor(corpus, settings),
            max_drop=settings.max_drop,
            seed=settings.seed,
            beam_args=tuple(settings.beam_args),
        )
    )


def _as_artifact(model: Path, paths: Paths) -> Path:
    """A copy of a pushed model as the Trainer writes it, which is how the Evaluator reads it."""
    content = (model / "variables" / "variables.data-00000-of-00001").read_bytes()
    folder = paths.artifacts / "in_service" / sha256(content).hexdigest()[:16]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as scratch:
            shutil.copytree(model, Path(scratch) / "new" / "Format-Serving")
            (Path(scratch) / "new").rename(folder)
    return folder


def floor(corpus: Corpus, settings: Settings) -> float:
    """The accuracy below which no model is pushed."""
    asked_for = "min_accuracy" in settings.model_fields_set
    return _SAMPLE_FLOOR if corpus.is_sample and not asked_for else settings.min_accuracy


def best_hyperparameters(paths: Paths) -> Hyperparameters:
    """What the last search found best, or else the defaults."""
    found = paths.hyperparameters.is_file()
    return Hyperparameters.load(paths.hyperparameters) if found else Hyperparameters()


def _stored_hyperparameters(paths: Paths) -> Path:
    """A folder with one file, named by its content: changed values make another artifact."""
    best = best_hyperparameters(paths)
    name = sha256(repr(best).encode()).hexdigest()[:16]
    folder = paths.artifacts / "stored_hyperparameters" / name
    best.save(folder / "best_hyperparameters.txt")
    return folder


def _run_locally(pipeline: object, console: Console) -> None:
    from tfx import v1 as tfx

    with _component_lines(console):
        tfx.orchestration.LocalDagRunner().run(pipeline)


class _ComponentLines(logging.Handler):
    """Turns what the runner logs about its components into lines for people."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._started = 0.0
        self._cached = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "Component %s is running.":
            self._started, self._cached = time.perf_counter(), False
        elif record.msg == "A cached execution %d is used.":
            self._cached = True
        elif record.msg == "Component %s is finished.":
            name = record.args[0] if isinstance(record.args, tuple) else ""
            _tell(self._console, str(name), self._started, "unchanged" if self._cached else "")


def _tell(console: Console, name: str, started: float, note: str = "") -> None:
    seconds = time.perf_counter() - started
    console.print(f"  [green]✓[/green] {name:<24}{seconds:7.1f} s  [dim]{note}[/dim]")


@contextmanager
def _component_lines(console: Console) -> Iterator[None]:
    handler = _ComponentLines(console)
    logger = logging.getLogger("absl")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Sends what the libraries log to a file."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=log,
        level=logging.INFO,
        force=True,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.captureWarnings(True)
    warnings.simplefilter("ignore")
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.INFO)
    # A log that cannot be written, on a full disk, must not print a traceback for each line.
    complains, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        yield
    finally:
        logging.raiseExceptions = complains
        logging.captureWarnings(False)


@contextmanager
def _explained(paths: Paths) -> Iterator[None]:
    """Turns the failures a user can mend into words; others name the log."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        logging.getLogger(__name__).exception("the run failed")
        chain = list(_causes(error))
        for cause in chain:
            if isinstance(cause, UserError):
                raise cause from error
        if any("No space left on device" in str(cause) for cause in chain):
            raise UserError(
                "The disk is full",
                "Free some space, or choose another place with --output DIR, and run it again: "
                "it goes on from where it was.",
                path=paths.root,
            ) from error
        root: BaseException = error
        while isinstance(root.__cause__, Exception):
            root = root.__cause__
        last = str(root).strip().splitlines()
        raise UserError(
            f"The pipeline failed: {type(root).__name__}: {last[-1].rstrip('.') if last else ''}",
            f"The details are in {paths.log}. Nothing was pushed; run it again to go on from "
            "where it was.",
        ) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _keep_best(paths: Paths) -> None:
    """Stores what the search found, as the default of the runs to come."""
    found = Path(_output(paths, "Tuner", "best_hyperparameters").uri) / "best_hyperparameters.txt"
    Hyperparameters.load(found).save(paths.hyperparameters)


def _collect(paths: Paths, before: Path | None, compared: Path | None) -> RunResult:
    """Puts the report where people find it, and the card beside the model it is about."""
    report = Path(_output(paths, "Reporter", "report").uri)
    shutil.rmtree(paths.report, ignore_errors=True)
    shutil.copytree(report, paths.report)
    model = _output(paths, "Pusher", "pushed_model").custom_properties
    accepted = bool(model["pushed"].int_value)
    version = newest_version(paths.serving_model)
    # Not only after a push: an earlier run may have been cut off between its push and this.
    if (
        accepted
        and version is not None
        and str(version) == model["pushed_destination"].string_value
    ):
        shutil.copy(report / "README.md", version / "README.md")
        for figures in report.glob("*.json"):
            shutil.copy(figures, version / "assets.extra")
    pushed = version is not None and version != before
    gate = json.loads((report / GATE).read_text(encoding="utf-8"))
    return RunResult(
        paths,
        version,
        pushed,
        accepted,
        paths.report / "report.html",
        compared,
        tuple(gate["reasons"]),
    )


def _output(paths: Paths, component: str, name: str) -> Any:  # noqa: ANN401
    """The artifact that a component gave in the last run, made then or taken from the cache."""
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd
    from tfx import v1 as tfx

    from emotion_tfx.pipeline.pipeline import NAME

    config = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(paths.metadata))
    store = MetadataStore(config)
    node = store.get_context_by_type_and_name("node", f"{NAME}.{component}")
    last = max(execution.id for execution in store.get_executions_by_context(node.id))
    (artifact_id,) = (
        event.artifact_id
        for event in store.get_events_by_execution_ids([last])
        if event.type == mlmd.Event.OUTPUT and event.path.steps[0].key == name
    )
    return store.get_artifacts_by_id([artifact_id])[0]
