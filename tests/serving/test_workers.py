from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from emotion_tfx.model.locate import shipped_base
from emotion_tfx.serving.metrics import ServingMetrics, SharedValues

from .conftest import MODEL, ModelBase, free_port, wait_until

SERVE = """
import logging, sys
from pathlib import Path
from emotion_tfx.serving import ServerSettings, serve
logging.basicConfig(level=logging.INFO, format="%(process)d %(message)s")
base, rest, grpc = Path(sys.argv[1]), *map(int, sys.argv[2:])
settings = ServerSettings(base, rest_port=rest, grpc_port=grpc, workers=2, poll_seconds=0.1)
serve(settings, on_ready=lambda: print("ready", flush=True))
print("ended", flush=True)
"""


@contextmanager
def two_workers(base: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A server of two processes, its address and its port for gRPC."""
    rest, grpc = free_port(), free_port()
    log = (base.parent / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(base), str(rest), str(grpc)],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process, f"http://127.0.0.1:{rest}", grpc
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def predict(address: str) -> int:
    body = {"signature_name": "classify_text", "instances": ["one"]}
    # Each on a connection of its own, so that either process may take it.
    return httpx.post(f"{address}{MODEL}:predict", json=body, timeout=60).status_code


def counted(address: str) -> int:
    page = httpx.get(f"{address}/monitoring/prometheus/metrics", timeout=60).text
    line = r'^:tensorflow:serving:request_count\{model_name="emotion",status="OK"\} (\d+)$'
    found = re.search(line, page, flags=re.MULTILINE)
    return int(found[1]) if found else 0


def children(process: subprocess.Popen[str]) -> list[int]:
    file = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in file.read_text().split()]


def test_workers_share_the_work_and_their_metrics_add_up_even_when_one_dies(
    model_base: ModelBase,
):
    import grpc
    from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

    model_base.push(1)
    with two_workers(model_base.path) as (process, address, grpc_port):
        assert [predict(address) for _ in range(20)] == [200] * 20
        before = children(process)
        assert len(before) == 2
        assert [counted(address) for _ in range(4)] == [20] * 4

        # A change by message reaches the worker that did not get the message as well.
        request = model_management_pb2.ReloadConfigRequest()
        models = request.config.model_config_list.config
        models.add(name="emotion", base_path=str(model_base.path))
        models.add(name="other", base_path=str(model_base.path))
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest(
                request, wait_for_ready=True
            )

        def everywhere() -> bool:
            replies = [httpx.get(f"{address}/v1/models/other") for _ in range(8)]
            return all(reply.is_success for reply in replies)

        wait_until(everywhere)

        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(set(children(process)) - set(before)) == 1)
        assert predict(address) == 200
        assert counted(address) >= 21

        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (0, "ended\n"), (
            model_base.path.parent / "log"
        ).read_text()[-3000:]


def test_what_one_process_counts_others_see_and_keep(tmp_path: Path):
    code = (
        "import sys, pathlib; from emotion_tfx.serving.metrics import *; "
        "m = ServingMetrics(SharedValues(pathlib.Path(sys.argv[1]))); "
        "m.request_count.add('emotion', 'OK', amount=2); "
        "m.request_latency.observe(15, 'emotion', 'predict', 'REST')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    metrics = ServingMetrics(SharedValues(tmp_path))
    metrics.request_count.add("emotion", "OK")
    metrics.request_latency.observe(1e12, "emotion", "predict", "REST")
    page = metrics.text()
    assert ':request_count{model_name="emotion",status="OK"} 3\n' in page
    labels = 'model_name="emotion",API="predict",entrypoint="REST"'
    assert f':request_latency_bucket{{{labels},le="18"}} 1\n' in page
    assert f":request_latency_count{{{labels}}} 2\n" in page


def test_a_worker_that_cannot_start_ends_the_server_with_a_reason(tmp_path: Path):
    from emotion_tfx.errors import UserError
    from emotion_tfx.serving import ServerSettings, serve

    settings = ServerSettings(tmp_path, model_config=tmp_path / "missing.pbtxt", workers=2)
    with pytest.raises(UserError, match="configuration cannot be read"):
        serve(settings)


def window(address: str) -> set[int]:
    """What several looks, at whichever process answers, tell of the texts in the window."""
    found = set()
    for _ in range(6):
        page = httpx.get(f"{address}/monitoring/prometheus/metrics", timeout=60).text
        line = r'^emotion_drift_texts\{model_name="emotion"\} (\d+)$'
        match = re.search(line, page, flags=re.MULTILINE)
        found.add(int(match[1]) if match else -1)
    return found


def test_the_windows_of_workers_add_up_and_that_of_a_dead_one_goes(tmp_path: Path):
    base = tmp_path / "models"
    shutil.copytree(shipped_base(), base)
    with two_workers(base) as (process, address, _):
        for _ in range(30):
            reply = httpx.post(f"{address}/v1/emotions", json={"text": "i am happy"}, timeout=60)
            assert reply.is_success
        wait_until(lambda: window(address) == {30})
        before = children(process)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(set(children(process)) - set(before)) == 1)
        # The new one tells nothing until it has loaded the model.
        wait_until(lambda: 0 <= max(window(address)) < 30)
