"""What the benchmarks of serving share: starting a server, loading it with wrk, watching it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from emotion_tfx.data import read_csv, sample_corpus

HERE = Path(__file__).parent
_SCRIPT = HERE / "bodies.lua"


@dataclass(frozen=True)
class Load:
    """What wrk saw.

    Attributes:
        requests: Answered requests.
        seconds: For how long.
        failed: Of them, those with another status than 2xx or 3xx, and broken connections.
        p50: Median latency in milliseconds.
        p99: The latency that 1 in 100 exceeds.
        max: The longest.
    """

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float
    max: float

    @property
    def per_second(self) -> float:
        """Answered requests a second."""
        return self.requests / self.seconds


def need_wrk() -> None:
    """Ends the program with a remedy if wrk is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: install it, on Debian with `apt-get install wrk`.")


def texts(count: int = 200) -> list[str]:
    """Texts of all lengths, from the bundled sample."""
    return [row.text for row in islice(read_csv(sample_corpus().files[0]), count)]


def write_bodies(file: Path, bodies: Sequence[object]) -> Path:
    """Writes bodies for wrk, one a line."""
    file.write_text("".join(json.dumps(body) + "\n" for body in bodies), encoding="utf-8")
    return file


@contextmanager
def wrk(url: str, bodies: Path, connections: int, seconds: float) -> Iterator[Callable[[], Load]]:
    """Begins to load a server; what it gives waits for the end."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s"]
    process = subprocess.Popen(
        [*command, "-s", str(_SCRIPT), url],
        env={**os.environ, "BODIES": str(bodies)},
        stdout=subprocess.PIPE,
        text=True,
    )

    def result() -> Load:
        output, _ = process.communicate()
        line = next(line for line in output.splitlines() if line.startswith("{"))
        return Load(**json.loads(line))

    try:
        yield result
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def run_wrk(url: str, bodies: Path, connections: int, seconds: float) -> Load:
    """Loads a server with so many connections for so long."""
    with wrk(url, bodies, connections, seconds) as result:
        return result()


@contextmanager
def running(
    command: Sequence[str],
    ready: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    log: Path,
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A server in a process group of its own, and the seconds it took until it was ready.

    Args:
        command: Starts it.
        ready: An address that answers 200 once it is ready.
        folder: Where to start it.
        environment: Added to this process's.
        log: Where its output goes.

    Raises:
        RuntimeError: It did not start.
    """
    begin = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() - begin > 120:
                told = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{command[0]} did not start:\n{told}")
            time.sleep(0.05)
        yield process, time.monotonic() - begin
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server and all processes it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(40)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def post(url: str, body: object, timeout: float = 30) -> tuple[int, object]:
    """Status and JSON of a reply."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def resident_mib(pid: int) -> float:
    """Memory of a process and all that it started, in MiB.

    Proportional set size: what several processes share counts once.
    """
    parents = {int(entry.name): _parent(entry) for entry in Path("/proc").glob("[0-9]*")}
    family = {pid}
    while grown := {one for one, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(_field_kib(Path(f"/proc/{one}/smaps_rollup"), "Pss:") for one in family) / 1024


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def rss_mib(pid: int) -> float:
    """Resident memory of one process, in MiB."""
    return _field_kib(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def _field_kib(file: Path, name: str) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
