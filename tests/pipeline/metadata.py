from __future__ import annotations

import sqlite3
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import v1 as tfx

from emotion_tfx.config import Paths


def open_store(paths: Paths) -> MetadataStore:
    return MetadataStore(
        tfx.orchestration.metadata.sqlite_metadata_connection_config(str(paths.metadata))
    )


def parameters(paths: Paths, component: str) -> dict[str, str]:
    """Those, of kind string, of what a component did last."""
    store = open_store(paths)
    node = store.get_context_by_type_and_name("node", f"emotion.{component}")
    last = max(store.get_executions_by_context(node.id), key=lambda each: each.id)
    return {name: value.string_value for name, value in last.custom_properties.items()}


def assert_metadata_sound(paths: Paths) -> None:
    """The database is whole, and what each component did last is finished and on disk."""
    with sqlite3.connect(paths.metadata) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = open_store(paths)
    for node in store.get_contexts_by_type("node"):
        last = max(store.get_executions_by_context(node.id), key=lambda each: each.id)
        assert last.last_known_state in (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED), node.name
        events = store.get_events_by_execution_ids([last.id])
        given = [each.artifact_id for each in events if each.type == mlmd.Event.OUTPUT]
        for artifact in store.get_artifacts_by_id(given):
            assert Path(artifact.uri).exists(), artifact.uri
