"""nginx (Debian's package) before servers that run in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from ..command import REPOSITORY, start
from ..serving.conftest import ModelBase, free_port, wait_until

CONFIGURE = REPOSITORY / "deploy" / "nginx" / "configure.sh"


@dataclass
class Balancer:
    """A running nginx.

    Attributes:
        folder: Of its configuration and logs.
        rest: Its address for REST.
        grpc: Its address for gRPC.
    """

    folder: Path
    rest: str
    grpc: str

    def access_log(self) -> str:
        """What it wrote until now; it writes within a second."""
        time.sleep(1.5)
        return (self.folder / "access.log").read_text(encoding="utf-8")

    def relies_on(self, server: ServerProcess) -> bool:
        """Whether the server has answered what was sent on of both kinds since it was started."""
        lines = (self.folder / "access.log").read_text(encoding="utf-8").split("\n")[:-1]
        used = {
            entry["servers"].rpartition(":")[2]
            for entry in map(json.loads, lines)
            if entry["time"] > server.started and entry["their_status"] == "200"
        }
        return {str(server.rest), str(server.grpc)} <= used


@contextmanager
def nginx(folder: Path, servers: Sequence[tuple[int, int]]) -> Iterator[Balancer]:
    """nginx before servers on this machine, given by their ports for REST and gRPC."""
    folder.mkdir(exist_ok=True)
    rest, grpc = free_port(), free_port()
    given = {"REST_PORT": rest, "GRPC_PORT": grpc, "ACCESS_LOG": folder / "access.log"}
    configuration = subprocess.run(
        [CONFIGURE, *(f"127.0.0.1:{one}:{other}" for one, other in servers)],
        env={**os.environ, **{name: str(value) for name, value in given.items()}},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (folder / "emotion.conf").write_text(configuration)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;\n"
        + ("user root;\n" if os.geteuid() == 0 else "")
        + f"events {{}}\nhttp {{\n{paths}include {folder}/emotion.conf;\n}}\n"
    )
    process = subprocess.Popen(
        ["nginx", "-e", folder / "error.log", "-p", folder, "-c", main], start_new_session=True
    )
    try:
        balancer = Balancer(folder, f"http://127.0.0.1:{rest}", f"127.0.0.1:{grpc}")
        wait_until(lambda: _answers(f"{balancer.rest}/monitoring/prometheus/metrics", 404))
        yield balancer
    finally:
        process.terminate()
        process.wait()


@dataclass
class ServerProcess:
    """``emotion serve --open-when-ready``, to be killed, stopped and started again."""

    base: ModelBase
    rest: int = field(default_factory=free_port)
    grpc: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    started: float = 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.rest}"

    @property
    def ready(self) -> bool:
        return _answers(f"{self.address}/v2/health/ready", 200)

    def start(self) -> None:
        """Starts it; it is ready when :attr:`ready` says so."""
        self.started = time.time()
        self.process = start(
            "serve",
            "--open-when-ready",
            f"--model-base={self.base.path}",
            f"--rest-port={self.rest}",
            f"--grpc-port={self.grpc}",
        )
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            _drain(stream)

    def end(self, number: signal.Signals) -> None:
        """Ends it by a signal and waits for the end."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait()

    def answered(self) -> float:
        """How many predictions it has answered since its start, by its own count."""
        page = httpx.get(f"{self.address}/monitoring/prometheus/metrics").text
        count = ":tensorflow:serving:request_count{"
        lines = [line for line in page.splitlines() if line.startswith(count)]
        return sum(float(line.split()[-1]) for line in lines if 'status="OK"' in line)


def _drain(stream: Iterator[str]) -> None:
    """Reads what a server writes, so that it never waits for a reader."""
    import threading

    threading.Thread(target=lambda: [None for _ in stream], daemon=True).start()


def _answers(url: str, status: int) -> bool:
    try:
        return httpx.get(url).status_code == status
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    """Two servers of a toy model's first version, each with a folder of versions of its own."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is missing: on Debian, `apt-get install nginx-light`")
    from ..serving.toy_model import save_toy_model

    folder = tmp_path_factory.mktemp("servers")
    (folder / "saved").mkdir()
    saved = {version: folder / "saved" / str(version) for version in (1, 2, 3)}
    for version, path in saved.items():
        save_toy_model(path, version)
    with ExitStack() as stack:
        both = []
        for name in ("one", "other"):
            (folder / name).mkdir()
            base = ModelBase(folder / name / "models", saved)
            base.push(1)
            server = ServerProcess(base)
            server.start()
            stack.callback(server.end, signal.SIGKILL)
            both.append(server)
        wait_until(lambda: all(server.ready for server in both))
        yield both


@pytest.fixture(scope="module")
def balancer(
    servers: list[ServerProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Balancer]:
    """nginx before both."""
    ports = [(server.rest, server.grpc) for server in servers]
    with nginx(tmp_path_factory.mktemp("nginx"), ports) as running:
        yield running
