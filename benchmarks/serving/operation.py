"""What the server does under load when something happens to it: each scenario with its figures.

Traffic goes to loopback only, from wrk and, where single requests matter, from plain sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from load import Load, need_wrk, post, rss_mib, run_wrk, running, texts, write_bodies, wrk

from emotion_tfx.model.locate import newest_version, shipped_base

_PORT = 18651
_ADDRESS = f"http://127.0.0.1:{_PORT}"
_PREDICT = "/v1/models/emotion:predict"
_CONNECTIONS = 64
#: How much a p99 may differ from one load to the next while nothing happens: told beside each.
_USUAL = "usual"

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Seconds = Annotated[float, typer.Option(help="How long each load lasts.")]


@dataclass
class Served:
    """A running server.

    Attributes:
        base: Its folder of versions, a copy of the shipped one.
        bodies: Requests for wrk.
        pid: Its process.
    """

    base: Path
    bodies: Path
    pid: int

    def load(self, seconds: float, connections: int = _CONNECTIONS) -> Load:
        """Loads it."""
        return run_wrk(_ADDRESS + _PREDICT, self.bodies, connections, seconds)

    def push(self, version: int, damage: Callable[[Path], None] | None = None) -> None:
        """Puts a copy of the model into place in one step, damaged or not."""
        staging = self.base.parent / "staging"
        shutil.copytree(self.base / "1", staging)
        if damage:
            damage(staging)
        staging.rename(self.base / str(version))

    def states(self) -> dict[str, str]:
        """Each version's state."""
        _, reply = get("/v1/models/emotion")
        return {one["version"]: one["state"] for one in reply["model_version_status"]}

    def wait_for(self, version: int, state: str) -> None:
        """Waits until a version has a state."""
        while self.states().get(str(version)) != state:
            time.sleep(0.1)


def get(path: str) -> tuple[int, Any]:
    """Status and JSON of a page."""
    import urllib.request

    with urllib.request.urlopen(_ADDRESS + path, timeout=30) as reply:
        return reply.status, json.load(reply)


def counted(line: str) -> float:
    """A number of the metrics page; 0 if it is not there."""
    import urllib.request

    with urllib.request.urlopen(f"{_ADDRESS}/monitoring/prometheus/metrics", timeout=30) as reply:
        page = reply.read().decode()
    found = [text for text in page.splitlines() if text.startswith(line)]
    return sum(float(text.rpartition(" ")[2]) for text in found)


@contextmanager
def served(*options: str) -> Iterator[Served]:
    """The server, warm, on a copy of the shipped model as version 1."""
    need_wrk()
    model = newest_version(shipped_base())
    assert model is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        base = folder / "models" / "emotion"
        shutil.copytree(model, base / "1")
        asked = [{"signature_name": "classify_text", "instances": [text]} for text in texts()]
        bodies = write_bodies(folder / "bodies", asked)
        programs = Path(sys.executable).parent
        command = [str(programs / "emotion"), "serve", f"--model-base={base}", *options]
        command += [f"--rest-port={_PORT}", f"--grpc-port={_PORT + 1}"]
        with running(command, f"{_ADDRESS}/v2/health/ready", log=folder / "log") as (
            process,
            start,
        ):
            tell("started", ready_seconds=round(start, 1))
            found = Served(base, bodies, process.pid)
            found.load(5)
            yield found


def tell(what: str, load: Load | None = None, **more: object) -> None:
    """Prints a line of figures."""
    figures: dict[str, object] = dict(more)
    if load:
        figures = {
            "requests_per_second": round(load.per_second),
            "failed": load.failed,
            "p50_ms": load.p50,
            "p99_ms": load.p99,
            "max_ms": load.max,
            **more,
        }
    print(f"{what}: " + ", ".join(f"{name} {value}" for name, value in figures.items()), flush=True)


@app.command()
def takeover(seconds: Seconds = 60) -> None:
    """A new version takes over, and is rolled back by deleting it, under load."""
    with served() as server:
        usual = server.load(seconds)
        tell(_USUAL, usual)
        with wrk(_ADDRESS + _PREDICT, server.bodies, _CONNECTIONS, seconds) as result:
            time.sleep(seconds / 4)
            server.push(2)
            server.wait_for(2, "AVAILABLE")
            time.sleep(seconds / 4)
            shutil.rmtree(server.base / "2")
            server.wait_for(1, "AVAILABLE")
            load = result()
        ratio = round(load.p99 / usual.p99, 2)
        tell("takeover and rollback", load, p99_over_usual=ratio, states=server.states())


def _lose_weights(version: Path) -> None:
    (version / "variables" / "variables.index").unlink()


def _corrupt_weights(version: Path) -> None:
    data = next((version / "variables").glob("variables.data*"))
    with data.open("r+b") as file:
        file.seek(data.stat().st_size // 2)
        file.write(os.urandom(4096))


def _cut_weights(version: Path) -> None:
    data = next((version / "variables").glob("variables.data*"))
    os.truncate(data, data.stat().st_size // 2)


def _lose_asset(version: Path) -> None:
    shutil.rmtree(version / "assets")


def _break_graph(version: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"\xff" * 1000)


def _change_signature(version: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = version / "saved_model.pb"
    saved_model = SavedModel.FromString(file.read_bytes())
    del saved_model.meta_graphs[0].signature_def["classify_text"]
    file.write_bytes(saved_model.SerializeToString())


@app.command()
def broken(seconds: Seconds = 60) -> None:
    """Broken versions are pushed under load: none may take over, and each must be counted."""
    damages = [
        _lose_weights,
        _corrupt_weights,
        _cut_weights,
        _lose_asset,
        _break_graph,
        _change_signature,
    ]
    failures = ":tensorflow:cc:saved_model:load_attempt_count{"
    with served() as server:
        with wrk(_ADDRESS + _PREDICT, server.bodies, _CONNECTIONS, seconds) as result:
            for number, damage in enumerate(damages, start=2):
                server.push(number, damage)
                server.wait_for(number, "END")
                tell(damage.__name__.strip("_"), state=server.states()[str(number)])
                shutil.rmtree(server.base / str(number))
            load = result()
        attempts = counted(failures) - 1
        tell("broken versions", load, pushed=len(damages), failures_counted=attempts)
        tell("serving after all", states=server.states())


@app.command(name="stop")
def stop_(seconds: Seconds = 10) -> None:
    """SIGTERM under load: every request that was accepted is answered."""
    body = json.dumps({"signature_name": "classify_text", "instances": texts(30)}).encode()
    request = (
        f"POST {_PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    counts = {"answered": 0, "cut_off_midway": 0, "closed_before_the_answer_began": 0}

    def ask_on_and_on() -> None:
        with socket.create_connection(("127.0.0.1", _PORT)) as connection:
            stream = connection.makefile("rb")
            while True:
                try:
                    connection.sendall(request)
                    status = stream.readline()
                except OSError:
                    status = b""
                if not status:
                    counts["closed_before_the_answer_began"] += 1
                    return
                length, last = 0, False
                while (line := stream.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    length = int(value) if name == b"content-length" else length
                    last = last or (name == b"connection" and b"close" in value)
                whole = len(stream.read(length)) == length and status.startswith(b"HTTP/1.1 200")
                counts["answered" if whole else "cut_off_midway"] += 1
                if last or not whole:
                    return

    with served() as server:
        threads = [threading.Thread(target=ask_on_and_on) for _ in range(_CONNECTIONS)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        begin = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        for thread in threads:
            thread.join()
        tell("SIGTERM", None, seconds_to_drain=round(time.monotonic() - begin, 2), **counts)


@app.command()
def overload(seconds: Seconds = 60, connections: int = 3000) -> None:
    """Far more requests than can be served: the rest is refused, the accepted stay quick."""
    with served() as server:
        usual = server.load(seconds / 2)
        tell(_USUAL, usual)
        accepted, refused = asyncio.run(_flood(server, connections, seconds))
        accepted.sort()
        tell(
            f"{connections} connections",
            accepted=len(accepted),
            accepted_per_second=round(len(accepted) / seconds),
            refused=refused,
            accepted_p50_ms=round(accepted[len(accepted) // 2] * 1e3, 1),
            accepted_p99_ms=round(accepted[int(len(accepted) * 0.99)] * 1e3, 1),
            rss_mib=round(rss_mib(server.pid)),
        )
        tell("afterwards", server.load(10))


async def _flood(server: Served, connections: int, seconds: float) -> tuple[list[float], int]:
    """Seconds that each accepted request took, and how many were refused."""
    lines = server.bodies.read_bytes().splitlines()
    end = time.monotonic() + seconds
    accepted: list[float] = []
    refused = [0]

    async def ask(number: int) -> None:
        body = lines[number % len(lines)]
        head = f"POST {_PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        while time.monotonic() < end:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
                try:
                    while time.monotonic() < end:
                        begin = time.monotonic()
                        writer.write(head.encode() + body)
                        reply = await reader.readuntil(b"\r\n\r\n")
                        length = next(
                            int(line.partition(b":")[2])
                            for line in reply.splitlines()
                            if line.startswith(b"content-length")
                        )
                        await reader.readexactly(length)
                        if reply.startswith(b"HTTP/1.1 200"):
                            accepted.append(time.monotonic() - begin)
                        else:
                            refused[0] += 1
                            await asyncio.sleep(1)  # As Retry-After says.
                finally:
                    writer.close()
            await asyncio.sleep(0.05)

    await asyncio.gather(*(ask(number) for number in range(connections)))
    return accepted, refused[0]


@app.command()
def abuse(seconds: Seconds = 60) -> None:
    """Slow clients, half-open connections, large bodies and batches beside a normal load."""
    with served() as server:
        usual = server.load(seconds)
        tell(_USUAL, usual)
        stop = threading.Event()
        abusers = [_drip, _half_open, _too_large, _large_batches]
        threads = [threading.Thread(target=one, args=(stop,), daemon=True) for one in abusers]
        for thread in threads:
            thread.start()
        load = server.load(seconds)
        stop.set()
        ratio = round(load.p99 / usual.p99, 2)
        memory = round(rss_mib(server.pid))
        tell("beside them", load, p99_over_usual=ratio, rss_mib=memory)
        tell("afterwards", server.load(10))


def _drip(stop: threading.Event) -> None:
    """200 clients that send a byte a second."""
    head = f"POST {_PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n".encode()
    clients = [socket.create_connection(("127.0.0.1", _PORT)) for _ in range(200)]
    for client in clients:
        client.sendall(head)
    while not stop.wait(1):
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(b" ")


def _half_open(stop: threading.Event) -> None:
    """300 clients that connect and say nothing, or ask and never read the answer."""
    silent = [socket.create_connection(("127.0.0.1", _PORT)) for _ in range(200)]
    deaf = [socket.create_connection(("127.0.0.1", _PORT)) for _ in range(100)]
    page = b"GET /monitoring/prometheus/metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 50
    for client in deaf:
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.sendall(page)
    stop.wait()
    for client in silent + deaf:
        client.close()


def _too_large(stop: threading.Event) -> None:
    """Bodies of 100 MB, one after another."""
    chunk = b" " * (1 << 20)
    while not stop.is_set():
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", _PORT)) as client,
        ):
            head = f"POST {_PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: {100 << 20}\r\n\r\n"
            client.sendall(head.encode())
            for _ in range(100):
                client.sendall(chunk)
        stop.wait(0.2)


def _large_batches(stop: threading.Event) -> None:
    """4,096 texts in a request, one a second."""
    some = texts()
    body = {"signature_name": "classify_text", "instances": (some * 21)[:4096]}
    while not stop.wait(1):
        with contextlib.suppress(OSError):
            post(_ADDRESS + _PREDICT, body)


@app.command()
def memory(requests: int = 500_000) -> None:
    """Resident memory over many requests."""
    with served() as server:
        done = 0
        while done < requests:
            load = server.load(20)
            done += load.requests
            tell(f"{done} requests", load, rss_mib=round(rss_mib(server.pid)))


if __name__ == "__main__":
    app()
