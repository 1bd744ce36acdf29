from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable

import pytest

from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.together import Part, run_together

from .app.browser import free_port, processes_of
from .command import environment

needs_model = pytest.mark.skipif(
    newest_version(shipped_base()) is None, reason="no model is shipped with this checkout"
)


def start(server_port: int, app_port: int) -> subprocess.Popen[str]:
    ports = ["--rest-port", str(server_port), "--grpc-port", "0", "--app-port", str(app_port)]
    return subprocess.Popen(
        [sys.executable, "-m", "emotion_tfx.together", str(shipped_base()), *ports],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


@needs_model
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_the_server_and_the_app(how: signal.Signals):
    server_port, app_port = free_port(), free_port()
    process = start(server_port, app_port)
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith("Ctrl-C stops it all"):
                break
        assert f"server   http://127.0.0.1:{server_port}" in said
        assert f"web app  http://127.0.0.1:{app_port}" in said
        for address in (f"{server_port}/v1/models/emotion", f"{app_port}/"):
            urllib.request.urlopen(f"http://127.0.0.1:{address}", timeout=10).close()
        markers = (f"--rest-port\0{server_port}", f"--server.port={app_port}")
        assert all(map(processes_of, markers))
        process.send_signal(how)
        assert process.wait(60) == 0
        assert until(lambda: not any(map(processes_of, markers)), 60)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def test_nothing_is_left_even_if_it_is_killed():
    port = free_port()
    script = (
        "from emotion_tfx.together import Part, run_together\n"
        f"run_together([Part('web app', ['app', '--port', '{port}'], "
        f"'http://127.0.0.1:{port}/_stcore/health')], 'ready')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert any(line == "ready\n" for line in process.stdout)
    process.kill()
    process.wait()
    assert until(lambda: not processes_of(f"--server.port={port}"), 20)


def test_if_one_ends_the_other_does_too(capfd: pytest.CaptureFixture[str]):
    port = free_port()
    parts = [
        Part("web app", ["app", "--port", str(port)], f"http://127.0.0.1:{port}/_stcore/health"),
        Part("server", ["--help"], "http://127.0.0.1:9/"),
    ]
    assert run_together(parts, "never said") == 1
    assert "The server has ended" in capfd.readouterr().err
    assert processes_of(f"--server.port={port}") == []
