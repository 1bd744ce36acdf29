"""``emotion serve`` as its users start it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx

from ..command import start
from .conftest import free_port, wait_until


def test_the_command_serves_the_shipped_model_behind_a_key_until_it_is_told_to_stop(
    tmp_path: Path,
):
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    rest, grpc = free_port(), free_port()
    process = start(
        "serve",
        f"--rest-port={rest}",
        f"--grpc-port={grpc}",
        f"--api-key-file={key}",
        settings={"EMOTION_OUTPUT": str(tmp_path / "nothing")},
    )
    try:
        assert process.stdout is not None
        announced = [process.stdout.readline() for _ in range(7)]
        assert f"http://127.0.0.1:{rest}/docs" in "".join(announced)
        assert f"127.0.0.1:{grpc}" in "".join(announced)
        address = f"http://127.0.0.1:{rest}/v1/emotions"
        asked = {"text": "i feel wonderful today"}
        assert httpx.post(address, json=asked).status_code == 401
        reply = httpx.post(address, json=asked, headers={"x-api-key": "s3cret"})
        assert reply.json()["label"] == "joy"
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines] == [401, 200]
    assert "wonderful" not in log
    assert "s3cret" not in log


def test_a_port_in_use_is_told_with_a_remedy():
    rest = free_port()
    first = start("serve", f"--rest-port={rest}", "--grpc-port=0")
    try:
        wait_until(lambda: _listens(rest))
        second = start("serve", f"--rest-port={rest}", "--grpc-port=0")
        _, errors = second.communicate(timeout=60)
        assert second.returncode == 2
        assert f"Port {rest} on 127.0.0.1 is in use" in errors
    finally:
        first.kill()
        first.communicate()


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/live").is_success
    except httpx.TransportError:
        return False
