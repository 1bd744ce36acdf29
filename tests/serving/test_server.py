from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from emotion_tfx.cores import usable_cores
from emotion_tfx.errors import UserError
from emotion_tfx.serving import Server, ServerSettings, serve

from .conftest import MODEL, ModelBase, free_port, running_server, wait_until

#: What a command line does: set up the log and serve until a signal comes.
SERVE = """
import logging, sys
from pathlib import Path
from emotion_tfx.serving import ServerSettings, serve
logging.basicConfig(level=logging.INFO)
settings = ServerSettings(Path(sys.argv[1]), rest_port=int(sys.argv[2]), poll_seconds=0.05)
serve(settings, on_ready=lambda: print("ready", flush=True))
print("ended", flush=True)
"""


@contextmanager
def server_process(base: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(base), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def test_sigterm_finishes_what_was_accepted_and_exits_with_0(model_base: ModelBase):
    model_base.push(1)
    port = free_port()
    with server_process(model_base.path, port) as process, ThreadPoolExecutor() as pool:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

        def take(steps: int) -> httpx.Response:
            return client.post(
                f"{MODEL}:predict", json={"signature_name": "slow", "inputs": [steps]}
            )

        take(1)
        start = time.monotonic()
        take(200)
        steps = int(200 * 3.0 / (time.monotonic() - start))
        slow = pool.submit(take, steps)
        queued = pool.submit(take, 1)
        time.sleep(0.5)  # By now both have been accepted, and the slow one takes 3 s.
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not _accepts(port))
        assert not slow.done()
        assert (slow.result().status_code, slow.result().json()) == (200, {"outputs": [steps]})
        assert queued.result().status_code == 200
        output, log = process.communicate(timeout=60)
        assert process.returncode == 0
        assert output == "ended\n"
        assert "Traceback" not in log


def test_a_server_stops_in_the_midst_of_its_start(tmp_path: Path):
    port = free_port()
    with server_process(tmp_path, port) as process:
        wait_until(lambda: _accepts(port))
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in log


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_a_new_version_takes_over_under_load_without_a_failed_request(model_base: ModelBase):
    model_base.push(1)
    settings = ServerSettings(model_base.path, rest_port=free_port(), poll_seconds=0.05)
    stop = threading.Event()

    def ask_on_and_on(client: httpx.Client) -> list[tuple[int, int]]:
        answers = []
        while not stop.is_set():
            body = {"signature_name": "classify_text", "instances": ["one"]}
            reply = client.post(f"{MODEL}:predict", json=body)
            version = reply.json()["predictions"][0]["version"] if reply.is_success else 0
            answers.append((reply.status_code, version))
        return answers

    def stands(client: httpx.Client, *expected: tuple[str, str]) -> bool:
        statuses = client.get(MODEL).json()["model_version_status"]
        return [(status["version"], status["state"]) for status in statuses] == list(expected)

    with running_server(settings) as client, ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_on_and_on, client) for _ in range(4)]
        try:
            model_base.push(2)
            wait_until(lambda: stands(client, ("2", "AVAILABLE"), ("1", "END")))
            model_base.push(3, broken=True)
            wait_until(lambda: stands(client, ("3", "END"), ("2", "AVAILABLE"), ("1", "END")))
            model_base.remove(3)
            model_base.push(1, "4")
            wait_until(lambda: stands(client, ("4", "AVAILABLE"), *NO_LONGER_SERVING))
        finally:
            stop.set()
        for answers in (future.result() for future in asking):
            assert {status for status, _ in answers} == {200}
            versions = [version for _, version in answers]
            assert versions[0] == 1
            assert 2 in versions
            # Nobody is answered by an old version once a new one has answered him.
            changes = [b for a, b in itertools.pairwise(versions) if a != b]
            assert changes in ([2], [2, 1])


NO_LONGER_SERVING = (("3", "END"), ("2", "END"), ("1", "END"))


def test_a_port_in_use_is_told_at_once_with_a_remedy(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} on 127.0.0.1 is in use") as caught:
            serve(ServerSettings(tmp_path, rest_port=port))
    assert "another port" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "given", "then"),
    [
        ("TF_ENABLE_ONEDNN_OPTS", None, "0"),
        ("TF_ENABLE_ONEDNN_OPTS", "1", "1"),
        ("TF_NUM_INTRAOP_THREADS", None, str(max(1, usable_cores() - 1))),
        ("TF_NUM_INTRAOP_THREADS", "7", "7"),
    ],
)
def test_tensorflow_is_set_up_for_small_models_unless_the_user_wants_it_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str | None, then: str
):
    monkeypatch.setattr(os, "environ", {name: given} if given else {})
    with pytest.raises(UserError):
        serve(ServerSettings(tmp_path, host="no such host"))
    assert os.environ[name] == then


@pytest.mark.parametrize(
    ("host", "port", "problem"),
    [
        ("203.0.113.1", 0, "Cannot listen on 203.0.113.1"),
        ("no such host", 0, "Cannot listen on no such host"),
    ],
)
def test_an_address_that_cannot_be_used_is_told(tmp_path: Path, host: str, port: int, problem: str):
    with pytest.raises(UserError, match=problem):
        Server(ServerSettings(tmp_path, host=host, rest_port=port)).run()


def test_a_server_can_be_told_to_stop_before_it_runs(tmp_path: Path):
    server = Server(ServerSettings(tmp_path, rest_port=free_port()))
    server.stop()
    server.run()


def test_on_ready_is_called_when_a_version_serves(model_base: ModelBase):
    ready = threading.Event()
    port = free_port()
    server = Server(ServerSettings(model_base.path, rest_port=port, poll_seconds=0.02))
    thread = threading.Thread(target=server.run, args=(ready.set,))
    thread.start()
    try:
        wait_until(lambda: _accepts(port))
        assert not ready.is_set()
        model_base.push(1)
        assert ready.wait(60)
        address = f"http://127.0.0.1:{port}/v2/health/ready"
        assert httpx.get(address).status_code == 200
    finally:
        server.stop()
        thread.join()


def test_the_package_does_not_import_tensorflow():
    code = "import sys, emotion_tfx.serving; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}).returncode == 0


def test_the_ports_open_only_once_the_model_serves_where_that_is_asked_for(model_base: ModelBase):
    model_base.path.mkdir()
    settings = ServerSettings(
        model_base.path, rest_port=free_port(), grpc_port=free_port(), open_when_ready=True
    )
    server, told = Server(settings), []
    thread = threading.Thread(target=server.run, args=(lambda: told.append(True),))
    thread.start()
    try:
        time.sleep(1)
        for port in (settings.rest_port, settings.grpc_port):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
        assert not told
        model_base.push(1)
        wait_until(lambda: bool(told))
        address = f"http://127.0.0.1:{settings.rest_port}{MODEL}:predict"
        body = {"signature_name": "classify_text", "instances": ["a text"]}
        assert httpx.post(address, json=body).is_success
        socket.create_connection(("127.0.0.1", settings.grpc_port)).close()
    finally:
        server.stop()
        thread.join()


def test_a_server_that_waits_for_its_model_can_be_stopped(model_base: ModelBase):
    model_base.path.mkdir()
    server = Server(ServerSettings(model_base.path, rest_port=free_port(), open_when_ready=True))
    thread = threading.Thread(target=server.run)
    thread.start()
    server.stop()
    thread.join(30)
    assert not thread.is_alive()
