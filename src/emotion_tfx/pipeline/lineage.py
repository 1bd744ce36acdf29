"""Where a pushed version comes from: its data, its code, its parameters, and what its gate found.

Read from the ML Metadata store of the runs. A version without one, such as the model that comes
with the package, is told as far as the files beside it know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from emotion_tfx.config import Paths, Settings
from emotion_tfx.errors import UserError
from emotion_tfx.evaluation import gates
from emotion_tfx.evaluation.run import flatten
from emotion_tfx.model.locate import FACTS, default_model, shipped_base, versions

if TYPE_CHECKING:
    from ml_metadata.proto.metadata_store_pb2 import Artifact, Execution

_NO_STORE = (
    "No metadata store knows this version; this is what the files beside the model tell of it."
)


@dataclass(frozen=True)
class Step:
    """One component of the run.

    Attributes:
        component: Its name.
        execution: Its number in the store.
        ended_at: When it ended, in UTC; ISO 8601.
    """

    component: str
    execution: int
    ended_at: str


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from.

    Attributes:
        version: Its number.
        model: Its folder, if it is still there.
        store: The metadata store that tells; None where only the files beside the model do.
        pushed_at: When it was pushed, in UTC; ISO 8601.
        data: As the data's report has it: files with their rows and hashes, what was dropped.
        code: Version of the package and commit, and fingerprints of the rooms that matter.
        parameters: Of preparation, training and calibration.
        gate: Whether it passed, with the figures and the reasons.
        steps: What ran to make it, in order.
    """

    version: str
    model: str | None
    store: str | None
    pushed_at: str | None
    data: dict[str, Any]
    code: dict[str, Any]
    parameters: dict[str, Any]
    gate: dict[str, Any]
    steps: tuple[Step, ...]

    def to_json(self) -> str:
        """All of it."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def find_lineage(settings: Settings, version: str | None = None) -> Lineage:
    """Finds out where a version comes from.

    Args:
        settings: Where runs keep their things.
        version: Its number; without it, that of the model in service.

    Raises:
        UserError: No such version is known; names those that are.
    """
    wanted = default_model(settings).name if version is None else version
    runs = settings.paths(sample=False), settings.paths(sample=True)
    stores = [_Store(paths) for paths in runs]
    for store in stores:
        if wanted in store.versions:
            return store.lineage(wanted)
    bases = [*(paths.serving_model for paths in runs), shipped_base()]
    folders = {folder.name: folder for base in bases for folder in versions(base)}
    if wanted in folders:
        return _from_files(folders[wanted])
    known = {*folders, *(version for store in stores for version in store.versions)}
    raise UserError(
        f"No version {wanted} is known", f"Known are {', '.join(sorted(known, key=int))}."
    )


def print_lineage(console: Console, lineage: Lineage) -> None:
    """Prints it for people."""
    console.print(f"[bold]version {lineage.version}[/bold]")
    if lineage.store is None:
        console.print(_NO_STORE)
    facts = {"model": lineage.model, "pushed": lineage.pushed_at, "store": lineage.store}
    _print_facts(console, {name: value for name, value in facts.items() if value})
    console.print("\n[bold]data[/bold]")
    _print_files(console, lineage.data.get("files", ()))
    _print_facts(console, _data_facts(lineage.data))
    _print_part(console, "code", lineage.code)
    _print_part(console, "parameters", lineage.parameters)
    gate = {name: "none" if value is None else value for name, value in lineage.gate.items()}
    _print_part(console, "gate", gate)
    if lineage.steps:
        console.print("\n[bold]steps[/bold]")
        _print_facts(
            console, {f"{each.execution} {each.component}": each.ended_at for each in lineage.steps}
        )


class _Store:
    """The metadata of the runs in one folder; empty where there were none."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._pushed: dict[str, list[Artifact]] = {}
        if not paths.metadata.is_file():
            return
        from ml_metadata.metadata_store import MetadataStore
        from ml_metadata.proto import metadata_store_pb2 as mlmd

        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(paths.metadata)
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
        self._mlmd = mlmd
        self._store = MetadataStore(config)
        # A repeated run tells the same version again: the first is the one that made it.
        for artifact in sorted(self._typed("PushedModel"), key=lambda each: each.id):
            version = artifact.custom_properties["pushed_version"].string_value
            if version:
                self._pushed.setdefault(version, []).append(artifact)

    @property
    def versions(self) -> list[str]:
        """Every version that was pushed."""
        return list(self._pushed)

    def lineage(self, version: str) -> Lineage:
        """Where a version comes from."""
        pushed = self._pushed[version]
        pusher = self._maker(pushed[0])
        model = self._inputs(pusher)["model"]
        trainer = self._maker(model)
        reporter = self._reporter(pushed)
        told = {} if reporter is None else _parameters(reporter)
        config = json.loads(_parameters(trainer)["custom_config"])
        folder = self._paths.serving_model / version
        trained = _json(Path(model.uri) / "Format-Serving" / "assets.extra" / FACTS)
        known = trained or _json(folder / "assets.extra" / FACTS)
        return Lineage(
            version=version,
            model=str(folder) if folder.is_dir() else None,
            store=str(self._paths.metadata),
            pushed_at=_time(pusher.last_update_time_since_epoch),
            data=_loaded(told.get("data_report")),
            code={
                **_loaded(told.get("code")),
                "features and model": config["code"],
                "evaluation": told.get("evaluation"),
            },
            parameters={
                "seed": config["seed"],
                "features": config["features"],
                **{name: value for name, value in known.items() if name != "history"},
            },
            gate=self._gate(reporter, folder),
            steps=tuple(
                Step(self._component(each), each.id, _time(each.last_update_time_since_epoch))
                for each in self._ancestors(reporter or pusher)
            ),
        )

    def _gate(self, reporter: Execution | None, folder: Path) -> dict[str, Any]:
        if reporter is None:  # The run was cut off before it.
            return _json(folder / "assets.extra" / gates.FILE)
        (report,) = self._outputs(reporter)
        return _loaded(report.custom_properties["gate"].string_value)

    def _reporter(self, pushed: list[Artifact]) -> Execution | None:
        """The first execution that reported on a version; None if none did."""
        ids = {artifact.id for artifact in pushed}
        events = self._store.get_events_by_artifact_ids(sorted(ids))
        readers = {each.execution_id for each in events if each.type == self._mlmd.Event.INPUT}
        found = self._store.get_executions_by_id(sorted(readers))
        reported = [
            each
            for each in found
            if self._component(each) == "Reporter"
            and each.last_known_state == self._mlmd.Execution.COMPLETE
        ]
        return reported[0] if reported else None

    def _typed(self, name: str) -> list[Artifact]:
        try:
            return list(self._store.get_artifacts_by_type(name))
        except Exception:  # The type is not known before the first push.
            return []

    def _maker(self, artifact: Artifact) -> Execution:
        """The execution that an artifact came out of."""
        events = self._store.get_events_by_artifact_ids([artifact.id])
        makers = [each.execution_id for each in events if each.type == self._mlmd.Event.OUTPUT]
        return self._store.get_executions_by_id([min(makers)])[0]

    def _inputs(self, execution: Execution) -> dict[str, Artifact]:
        events = self._store.get_events_by_execution_ids([execution.id])
        given = [each for each in events if each.type == self._mlmd.Event.INPUT]
        artifacts = self._store.get_artifacts_by_id([each.artifact_id for each in given])
        by_id = {each.id: each for each in artifacts}
        return {each.path.steps[0].key: by_id[each.artifact_id] for each in given}

    def _outputs(self, execution: Execution) -> list[Artifact]:
        events = self._store.get_events_by_execution_ids([execution.id])
        ids = [each.artifact_id for each in events if each.type == self._mlmd.Event.OUTPUT]
        return list(self._store.get_artifacts_by_id(ids))

    def _ancestors(self, last: Execution) -> list[Execution]:
        """An execution and all whose artifacts it stands on, the first first."""
        found = {last.id: last}
        waiting = [last]
        while waiting:
            for artifact in self._inputs(waiting.pop()).values():
                maker = self._maker(artifact)
                if maker.id not in found:
                    found[maker.id] = maker
                    waiting.append(maker)
        return [found[number] for number in sorted(found)]

    def _component(self, execution: Execution) -> str:
        (kind,) = self._store.get_execution_types_by_id([execution.type_id])
        return str(kind.name).rpartition(".")[2]


def _from_files(folder: Path) -> Lineage:
    """What the files beside a model know of it."""
    extra = folder / "assets.extra"
    facts, metrics = _json(extra / FACTS), _json(extra / "metrics.json")
    facts.pop("history", None)
    gate = _json(extra / gates.FILE)
    if metrics and not gate:
        figures = {"accuracy": metrics["accuracy"], "macro_f1": metrics["macro"]["f1"]}
        gate = {"rows": metrics["n"], "model": figures}
    corpus = facts.pop("corpus", None)
    return Lineage(
        version=folder.name,
        model=str(folder),
        store=None,
        pushed_at=None,
        data={"corpus": corpus} if corpus else {},
        code={},
        parameters=facts,
        gate=gate,
        steps=(),
    )


def _parameters(execution: Execution) -> dict[str, str]:
    return {name: value.string_value for name, value in execution.custom_properties.items()}


def _loaded(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:  # Of an older run, which kept something else under that name.
        return {}
    return found if isinstance(found, dict) else {}


def _json(file: Path) -> dict[str, Any]:
    try:
        return _loaded(file.read_text(encoding="utf-8"))
    except OSError:
        return {}


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="seconds")


def _data_facts(data: Mapping[str, Any]) -> dict[str, str]:
    """What was read, dropped and written, without the counts of each label and source."""
    splits = {split: sum(counts.values()) for split, counts in data.get("labels", {}).items()}
    facts = {
        name: value for name, value in data.items() if name not in ("files", "labels", "sources")
    }
    return dict(flatten({**facts, **({"rows in": splits} if splits else {})}))


def _print_part(console: Console, title: str, facts: Mapping[str, Any]) -> None:
    console.print(f"\n[bold]{title}[/bold]")
    if facts:
        _print_facts(console, dict(flatten(facts)))
    else:
        console.print("  not known")


def _print_facts(console: Console, facts: Mapping[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(f"  {name}", str(value))
    console.print(table)


def _print_files(console: Console, files: list[Mapping[str, Any]]) -> None:
    if not files:
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("  file", overflow="fold")
    table.add_column("used for")
    table.add_column("rows", justify="right")
    table.add_column("sha256")
    for each in files:
        table.add_row(
            f"  {each['path']}", each["role"], f"{each['rows']:,}", each.get("sha256", "")[:16]
        )
    console.print(table)
