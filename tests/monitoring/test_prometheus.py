"""A real Prometheus with our files watches a real server: every query finds what it asks for."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.monitoring.files import Watch, write_prometheus
from emotion_tfx.serving import ServerSettings

from ..command import SAMPLE
from ..serving.conftest import MODEL, free_port, running_server
from . import watched
from .watched import Query, needs_prometheus, selectors

pytestmark = [
    needs_prometheus,
    pytest.mark.skipif(
        newest_version(shipped_base()) is None, reason="no model is shipped with this checkout"
    ),
]

KEY = "s3cret"
INTERVAL = "500ms"

#: Series that Prometheus makes itself.
OWN = {"up", "ALERTS"}


@dataclass(frozen=True)
class Prometheus:
    """The watching program, and a client for it."""

    client: httpx.Client

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401
        try:
            reply = self.client.get(f"/api/v1/{path}", params=parameters)
        except httpx.TransportError:
            return []
        return reply.raise_for_status().json()["data"] if reply.is_success else []

    def values(self, expression: str) -> list[float]:
        """What an expression gives now, without what is no number."""
        reply = self.client.get("/api/v1/query", params={"query": expression})
        assert reply.is_success, f"{expression}: {reply.text}"
        found = reply.json()["data"]["result"]
        values = [float(one["value"][1]) for one in found]
        return [value for value in values if not math.isnan(value)]

    def without_answer(self, queries: Sequence[Query], seconds: float = 30) -> list[Query]:
        """Those that give nothing, after some time for all of them."""
        deadline = time.monotonic() + seconds
        left = list(queries)
        while True:
            left = [query for query in left if not self.values(query.expression)]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.5)


@contextmanager
def prometheus(config: Path) -> Iterator[Prometheus]:
    port = free_port()
    options = [
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (config.parent / "log").open("w") as log:
        process = subprocess.Popen(["prometheus", *options], stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            found = Prometheus(client)
            until(lambda: bool(found.get("targets")))
            yield found
    finally:
        process.terminate()
        process.wait()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def ask(server: httpx.Client, texts: list[str]) -> None:
    """A bit of everything: what goes well, and what does not, by whoever's fault."""
    assert server.post("/v1/emotions", json={"texts": texts}).is_success
    asked = {"signature_name": "classify_text", "instances": texts[:3]}
    assert server.post(f"{MODEL}:predict", json=asked).is_success
    assert server.post("/v1/emotions", json={"text": texts[0], "explain": True}).is_success
    assert server.post(f"{MODEL}:predict", content=b"{").status_code == 400
    assert server.post("/v1/models/other:predict", json=asked).status_code == 404
    assert server.get("/v1/emotions/model", headers={"x-api-key": "wrong"}).status_code == 401


@contextmanager
def traffic(server: httpx.Client) -> Iterator[None]:
    """Asks the server without end until the block ends."""
    with (SAMPLE / "emotions.csv").open(encoding="utf-8") as file:
        texts = cycle([row["text"] for row in csv.DictReader(file)])
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            ask(server, list(islice(texts, 150)))
            stop.wait(0.2)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@dataclass(frozen=True)
class Scene:
    """A server with traffic, and the Prometheus that watches it.

    Attributes:
        prometheus: The watching program.
        exported: The names of all that the server exports.
        away: The address of a second server, which is not there.
    """

    prometheus: Prometheus
    exported: set[str]
    away: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("prometheus")
    key = folder / "key"
    key.write_text(KEY)
    settings = ServerSettings(shipped_base(), rest_port=free_port(), api_key=KEY)
    target = f"127.0.0.1:{settings.rest_port}"
    away = f"127.0.0.1:{free_port()}"
    config = write_prometheus(folder, Watch([target, away], api_key_file=key, interval=INTERVAL))
    with running_server(settings) as server:
        server.headers["x-api-key"] = KEY
        with prometheus(config) as watching, traffic(server):
            page = server.get("/monitoring/prometheus/metrics").text
            yield Scene(watching, exported(page), away)


def exported(page: str) -> set[str]:
    """The names of the series of a page of metrics, whether or not it has any now."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", page, re.MULTILINE):
        parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names.update(f"{name}{part}" for part in parts)
    return names


def test_every_panel_shows_something(scene: Scene):
    assert scene.prometheus.without_answer(watched.panel_queries()) == []


def test_every_recording_rule_records_something(scene: Scene):
    recorded = [Query(rule["record"], rule["record"]) for rule in watched.records()]
    assert scene.prometheus.without_answer(recorded) == []


def test_every_alert_and_note_asks_for_what_is_there(scene: Scene):
    asked = [Query(rule["alert"], rule["expr"]) for rule in watched.alerts()]
    series = [
        Query(query.place, selector.prettify())
        for query in [*asked, *watched.notes()]
        for selector in selectors(query.expression)
    ]
    assert scene.prometheus.without_answer(series) == []


def test_every_variable_has_something_to_choose(scene: Scene):
    for selector, label in watched.choices():
        found = scene.prometheus.get("series", **{"match[]": selector})
        assert found, selector
        assert all(one.get(label) for one in found)


def test_prometheus_evaluates_every_rule_without_an_error(scene: Scene):
    def found() -> list[dict[str, Any]]:
        groups = scene.prometheus.get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    until(lambda: all(rule["health"] != "unknown" for rule in found()))
    assert len(found()) == len(watched.rules())
    assert [rule for rule in found() if rule["health"] != "ok"] == []


def test_nothing_is_asked_for_that_is_not_exported(scene: Scene):
    recorded = {rule["record"] for rule in watched.records()}
    queries = [
        *watched.panel_queries(),
        *watched.notes(),
        *(Query(rule.get("alert") or rule["record"], rule["expr"]) for rule in watched.rules()),
        *(Query("variable", selector) for selector, _ in watched.choices()),
    ]
    unknown = {
        (query.place, selector.name)
        for query in queries
        for selector in selectors(query.expression)
        if selector.name not in scene.exported | recorded | OWN
    }
    assert unknown == set()


def test_only_the_server_that_is_away_alarms(scene: Scene):
    """The texts are none of those that the model was evaluated on, which is another matter."""
    of_texts = {"EmotionDrift", "EmotionAccuracyFalling", "EmotionClassMix", "EmotionUncertain"}

    def found() -> list[tuple[str, str]]:
        alerts = scene.prometheus.get("alerts")["alerts"]
        return [(one["labels"]["alertname"], one["labels"].get("instance", "")) for one in alerts]

    until(lambda: ("EmotionTargetDown", scene.away) in found())
    assert [one for one in found() if one[0] not in of_texts] == [("EmotionTargetDown", scene.away)]
    assert sorted(scene.prometheus.values('up{job="emotion"}')) == [0, 1]
