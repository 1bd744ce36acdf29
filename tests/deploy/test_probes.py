"""The addresses that probes and collectors ask are real ones of a running server and web app."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import yaml

from ..command import REPOSITORY, start

DEPLOY = REPOSITORY / "deploy"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(*command: str, ready: str, port: int) -> Iterator[str]:
    """The address of a program of ours, once it is ready."""
    process = start(*command)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx.get(address + ready, timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline, "it does not become ready"
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=60)


def addresses() -> set[str]:
    """All that are asked for, in all files."""
    text = "".join(
        file.read_text(encoding="utf-8")
        for pattern in ("**/*.yaml", "**/*.tf")
        for file in DEPLOY.glob(pattern)
    )
    return set(re.findall(r"\bpath\s*[:=]\s*\"?(/(?:v2|monitoring|_stcore)[\w/]*)", text))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    port = free_port()
    command = ["serve", "--rest-port", str(port), "--grpc-port", "0"]
    with running(*command, ready="/v2/health/ready", port=port) as address:
        yield address


def test_the_servers_addresses_answer(server: str):
    asked = {each for each in addresses() if not each.startswith("/_stcore")}
    assert asked == {"/v2/health/ready", "/v2/health/live", "/monitoring/prometheus/metrics"}
    for each in asked:
        assert httpx.get(server + each).status_code == 200


def test_the_server_counts_requests_under_the_name_that_scaling_goes_by(server: str):
    httpx.post(server + "/v1/emotions", json={"text": "i am glad"}).raise_for_status()
    file = DEPLOY / "kubernetes" / "monitoring" / "prometheus-adapter.yaml"
    (rule,) = yaml.safe_load(file.read_text(encoding="utf-8"))["rules"]["custom"]
    name = rule["seriesQuery"].partition("{")[0]
    metrics = httpx.get(server + "/monitoring/prometheus/metrics").text
    assert re.search(rf"^{name}\{{.*\}} [1-9]", metrics, re.MULTILINE)


def test_the_alerts_metrics_are_the_servers(server: str):
    texts = ["i am so happy and grateful today", "zzqx vvkwj qqrt"]
    httpx.post(server + "/v1/emotions", json={"texts": texts}).raise_for_status()
    metrics = httpx.get(server + "/monitoring/prometheus/metrics").text
    alerts = (DEPLOY / "gcp" / "monitoring.tf").read_text(encoding="utf-8")
    asked = set(re.findall(r"\b(emotion_\w+)(?:\{(\w+=\"\w+\")\})?\[", alerts))
    assert len(asked) == 4
    for name, label in asked:
        assert re.search(rf"^{name}\{{[^}}]*{label}", metrics, re.MULTILINE), (name, label)


def test_the_web_apps_address_answers():
    asked = {each for each in addresses() if each.startswith("/_stcore")}
    assert asked == {"/_stcore/health"}
    port = free_port()
    with running("app", "--port", str(port), ready="/_stcore/health", port=port) as address:
        assert httpx.get(address + "/_stcore/health").text == "ok"
