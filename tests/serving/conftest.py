from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from emotion_tfx.serving import Server, ServerSettings

MODEL = "/v1/models/emotion"


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Three versions of a toy SavedModel, saved once and copied by the tests."""
    from .toy_model import save_toy_model

    folder = tmp_path_factory.mktemp("saved")
    for version in (1, 2, 3):
        save_toy_model(folder / str(version), version)
    return {version: folder / str(version) for version in (1, 2, 3)}


@dataclass
class ModelBase:
    """A folder of versions as a Pusher would fill it."""

    path: Path
    saved: dict[int, Path]

    def push(self, version: int, name: str | None = None, *, broken: bool = False) -> Path:
        """Puts a version into place in one step, under its own number or another name."""
        staging = self.path.parent / f"staging-{version}"
        shutil.copytree(self.saved[version], staging)
        if broken:
            (staging / "saved_model.pb").write_bytes(b"\xff" * 20)
        self.path.mkdir(exist_ok=True)
        return staging.rename(self.path / (name or str(version)))

    def remove(self, version: int) -> None:
        shutil.rmtree(self.path / str(version))


@pytest.fixture
def model_base(tmp_path: Path, saved_models: dict[int, Path]) -> ModelBase:
    return ModelBase(tmp_path / "models", saved_models)


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for something that happens in the background; a generous bound ends a hung test."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_server(settings: ServerSettings, *, ready: bool = True) -> Iterator[httpx.Client]:
    """A real server in a thread, and a client for it."""
    server = Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    address = f"http://{settings.host}:{settings.rest_port}"
    try:
        with httpx.Client(base_url=address, timeout=60) as client:
            wanted = "/v2/health/ready" if ready else "/v2/health/live"
            wait_until(lambda: client.get(wanted).status_code == 200)
            yield client
    finally:
        server.stop()
        thread.join()
