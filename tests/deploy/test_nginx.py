"""Several servers behind nginx, with the configuration in ``deploy/nginx``."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import httpx
import pytest

from emotion_tfx.serving.settings import Limits

from ..serving.conftest import free_port, wait_until
from .conftest import CONFIGURE, Balancer, ServerProcess, nginx

PREDICT = "/v1/models/emotion:predict"
BODY = {"signature_name": "classify_text", "instances": ["a text"]}
#: nginx cannot pass a gRPC call on once it has begun to send it; clients of gRPC can repeat it. A
#: killed server leaves UNAVAILABLE; a stopping one cancels what came too late to be taken on.
RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": "tensorflow.serving.PredictionService"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ]
}


class Traffic:
    """Requests without a pause, over REST and gRPC, until stopped."""

    def __init__(self, balancer: Balancer, clients: int = 6) -> None:
        self._stop = threading.Event()
        self._balancer = balancer
        self.versions: set[int] = set()
        self.answered = 0
        self.failed: list[str] = []
        work: list[Callable[[], None]] = [self._rest] * clients + [self._grpc] * 2
        self._threads = [threading.Thread(target=one) for one in work]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _rest(self) -> None:
        with httpx.Client(base_url=self._balancer.rest, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    reply = client.post(PREDICT, json=BODY)
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                    continue
                if reply.status_code != 200:
                    self.failed.append(f"{reply.status_code} {reply.text}")
                    continue
                self.versions.add(reply.json()["predictions"][0]["version"])
                self.answered += 1

    def _grpc(self) -> None:
        with prediction_service(self._balancer) as predict:
            while not self._stop.is_set():
                try:
                    self.versions.add(predict())
                except grpc.RpcError as error:
                    self.failed.append(repr(error))
                    continue
                self.answered += 1


@contextmanager
def prediction_service(balancer: Balancer) -> Iterator[Callable[[], int]]:
    """Asks by gRPC which version answers."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "emotion"
    request.model_spec.signature_name = "classify_text"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(["a text"]))
    options = [("grpc.service_config", json.dumps(RETRIES))]
    with grpc.insecure_channel(balancer.grpc, options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def predict() -> int:
            reply = stub.Predict(request, timeout=30)
            return int(tf.make_ndarray(reply.outputs["version"])[0])

        yield predict


def test_requests_reach_both_servers_over_rest_and_grpc(
    balancer: Balancer, servers: list[ServerProcess]
):
    before = [server.answered() for server in servers]
    with Traffic(balancer) as traffic:
        wait_until(lambda: traffic.answered > 400)
    gained = [server.answered() - once for server, once in zip(servers, before, strict=True)]
    assert not traffic.failed
    assert sum(gained) == traffic.answered
    assert min(gained) > sum(gained) / 4


def test_no_request_fails_while_a_server_is_killed_and_the_rest_is_rolled_to_new_versions(
    balancer: Balancer, servers: list[ServerProcess]
):
    killed, stopped = servers
    with Traffic(balancer) as traffic:
        killed.end(signal.SIGKILL)
        killed.base.push(2)
        killed.start()
        wait_until(lambda: balancer.relies_on(killed))
        stopped.end(signal.SIGTERM)
        assert stopped.process is not None
        assert stopped.process.returncode == 0
        stopped.base.push(2)
        stopped.start()
        wait_until(lambda: balancer.relies_on(stopped))
        assert traffic.versions == {1, 2}
        for server in servers:
            server.base.push(3)
        wait_until(lambda: 3 in traffic.versions)
        before = traffic.answered
        wait_until(lambda: traffic.answered > before + 100)
    assert not traffic.failed
    assert traffic.versions == {1, 2, 3}


@pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="Prometheus is missing: on Debian, `apt-get install prometheus`",
)
def test_prometheus_asks_every_server_and_adds_them_up(
    balancer: Balancer, servers: list[ServerProcess], tmp_path: Path
):
    targets = [f"127.0.0.1:{server.rest}" for server in servers]
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: emotion\n"
        "  metrics_path: /monitoring/prometheus/metrics\n"
        f"  static_configs: [{{targets: {json.dumps(targets)}}}]\n"
    )
    port = free_port()
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    process = subprocess.Popen(
        ["prometheus", *arguments, f"--web.listen-address=127.0.0.1:{port}"],
        stderr=subprocess.DEVNULL,
    )

    def value(query: str) -> float:
        address = f"http://127.0.0.1:{port}/api/v1/query"
        try:
            found = httpx.get(address, params={"query": query}).json()["data"]["result"]
        except (httpx.TransportError, ValueError, KeyError):
            return 0
        return float(found[0]["value"][1]) if found else 0

    try:
        for _ in range(20):
            assert httpx.post(balancer.rest + PREDICT, json=BODY).is_success
        total = sum(server.answered() for server in servers)
        requests = ':tensorflow:serving:request_count{status="OK"}'
        wait_until(lambda: value(f"sum({requests})") == total)
        assert value(f"count({requests})") == 2
    finally:
        process.terminate()
        process.wait()


def test_bodies_may_be_as_large_as_the_servers_take_and_no_larger(balancer: Balancer):
    limit = Limits().max_body_bytes
    largest = json.dumps(BODY).encode().ljust(limit)
    assert httpx.post(balancer.rest + PREDICT, content=largest, timeout=60).status_code == 200
    reply = httpx.post(balancer.rest + PREDICT, content=largest + b" ", timeout=60)
    assert reply.status_code == 413
    assert reply.json() == {"error": f"Request body is larger than {limit} bytes"}


def test_bodies_pass_packed_as_they_are(balancer: Balancer):
    body = {**BODY, "instances": ["a text"] * 50}
    reply = httpx.post(
        balancer.rest + PREDICT,
        content=gzip.compress(json.dumps(body).encode()),
        headers={"content-encoding": "gzip"},
    )
    assert len(reply.json()["predictions"]) == 50
    assert reply.headers["content-encoding"] == "gzip"


def test_what_only_one_server_would_hear_is_refused(balancer: Balancer):
    from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

    assert httpx.get(f"{balancer.rest}/monitoring/prometheus/metrics").status_code == 404
    with grpc.insecure_channel(balancer.grpc) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_access_log_tells_who_answered_and_holds_no_text(
    balancer: Balancer, servers: list[ServerProcess]
):
    secret = {"signature_name": "classify_text", "instances": ["my secret"]}
    assert httpx.post(balancer.rest + PREDICT, json=secret).is_success
    assert httpx.get(f"{balancer.rest}/my secret?text=my+secret").status_code == 404
    assert httpx.get(f"{balancer.rest}/v1/models/my secret").status_code == 404
    log = balancer.access_log()
    lines = [json.loads(line) for line in log.splitlines()]
    assert "secret" not in log
    assert {"-", PREDICT, "/v1/models"} <= {line["path"] for line in lines}
    known = {f"127.0.0.1:{server.rest}" for server in servers}
    assert any(line["servers"] in known and line["status"] == 200 for line in lines)


class _Busy(BaseHTTPRequestHandler):
    """Answers as a server does that has too much to do."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(503)
        self.send_header("retry-after", "1")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.usefixtures("servers")
def test_a_busy_server_is_not_relieved_by_making_the_others_busy(tmp_path: Path):
    busy = [ThreadingHTTPServer(("127.0.0.1", 0), _Busy) for _ in range(2)]
    threads = [threading.Thread(target=one.serve_forever) for one in busy]
    for one, thread in zip(busy, threads, strict=True):
        one.asked = 0  # type: ignore[attr-defined]
        thread.start()
    ports = [(one.server_address[1], free_port()) for one in busy]
    try:
        with nginx(tmp_path / "nginx", ports) as balancer, httpx.Client() as client:
            for _ in range(10):
                reply = client.post(balancer.rest + PREDICT, json=BODY)
                assert reply.status_code == 503
                assert reply.headers["retry-after"] == "1"
    finally:
        for one, thread in zip(busy, threads, strict=True):
            one.shutdown()
            thread.join()
            one.server_close()
    assert sum(one.asked for one in busy) == 10  # type: ignore[attr-defined]


@pytest.mark.usefixtures("servers")
def test_with_no_server_at_all_clients_are_told_to_come_back(tmp_path: Path):
    with nginx(tmp_path / "nginx", [(free_port(), free_port()) for _ in range(2)]) as balancer:
        reply = httpx.post(balancer.rest + PREDICT, json=BODY)
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "1"
        assert reply.json() == {"error": "No server can be reached"}
        with prediction_service(balancer) as predict, pytest.raises(grpc.RpcError) as refused:
            predict()
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_server_without_both_ports_is_refused():
    ended = subprocess.run([CONFIGURE, "10.0.0.1:8501"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "10.0.0.1:8501 is not HOST:REST_PORT:GRPC_PORT" in ended.stderr
