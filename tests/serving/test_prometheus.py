"""Scraped by Prometheus itself (Debian's package ``prometheus``)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from emotion_tfx.model.locate import shipped_base
from emotion_tfx.serving import ServerSettings

from .conftest import free_port, running_server, wait_until

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="Prometheus is missing: on Debian, `apt-get install prometheus`",
)

KEY = "s3cret"


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[httpx.Client]:
    """Prometheus, scraping one server every second."""
    config = folder / "prometheus.yml"
    config.write_text(
        f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: emotion
    metrics_path: /monitoring/prometheus/metrics
    authorization: {{credentials: {KEY}}}
    static_configs: [{{targets: ["{target}"]}}]
"""
    )
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=log,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.terminate()
        process.wait()


def value(client: httpx.Client, query: str) -> float | None:
    try:
        reply = client.get("/api/v1/query", params={"query": query})
    except httpx.TransportError:
        return None
    if not reply.is_success:
        return None
    found = reply.json()["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def test_prometheus_reads_every_metric_and_computes_with_them(tmp_path: Path):
    settings = ServerSettings(shipped_base(), rest_port=free_port(), api_key=KEY)
    with running_server(settings) as server:
        server.headers["x-api-key"] = KEY
        for text in ("i feel so happy", "i am so angry", "xqzt qqqq"):
            assert server.post("/v1/emotions", json={"text": text}).is_success
        assert server.post("/v1/models/emotion:predict", content=b"{").status_code == 400
        with prometheus(tmp_path, f"127.0.0.1:{settings.rest_port}") as client:
            wait_until(lambda: value(client, 'up{job="emotion"}') == 1)
            wait_until(lambda: value(client, "sum(emotion_predictions_total)") == 3)
            for query, expected in {
                ':tensorflow:serving:request_count{status="OK"}': 3,
                ':tensorflow:serving:request_count{status="INVALID_ARGUMENT"}': 1,
                ':tensorflow:serving:request_latency_count{API="emotions"}': 3,
                'sum(emotion_predictions_total{label="joy"})': 1,
                "emotion_confidence_count": 3,
                'sum(emotion_judged_texts_total{uncertain="true"})': 1,
                "emotion_text_characters_count": 3,
                "emotion_text_characters_sum": 37,
                "emotion_model_version": float(max(p.name for p in shipped_base().iterdir())),
            }.items():
                assert value(client, query) == expected, query
            quantile = "histogram_quantile(0.5, :tensorflow:serving:request_latency_bucket)"
            assert (value(client, quantile) or 0) > 0
            assert (value(client, "emotion_model_age_seconds") or 0) > 0
            known = value(client, 'emotion_sampled_words_total{known="true"}')
            assert known is not None
            page = server.get("/monitoring/prometheus/metrics").text
            names = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
            recorded = client.get("/api/v1/label/__name__/values").json()["data"]
            for name in names:
                assert any(one.startswith(name) for one in recorded) or f"\n{name}" not in page
