"""Several servers behind nginx: what 1, 2 and 4 processes answer, and whether any request is lost.

nginx is Debian's, with the configuration in ``deploy/nginx``. wrk, nginx and the servers share this
machine's cores, so the figures say what the balancer costs and where the cores end, and not what
more machines would bring.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from load import Load, need_wrk, resident_mib, run_wrk, running, stop, texts, write_bodies, wrk
from rich.console import Console
from rich.table import Column, Table

from emotion_tfx.model.locate import newest_version, shipped_base

_CONFIGURE = Path(__file__).parents[2] / "deploy" / "nginx" / "configure.sh"
_PORT = 18701
_BALANCER = f"http://127.0.0.1:{_PORT}"
_PROMETHEUS_PORT = 18703
_FIRST_SERVER = 18711
_PREDICT = "/v1/models/emotion:predict"
_CONNECTIONS = 64
_WARM_UP_SECONDS = 5
_OK = ':tensorflow:serving:request_count{status="OK"}'

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Seconds = Annotated[float, typer.Option(help="How long each load lasts.")]


@dataclass(frozen=True)
class Fleet:
    """Servers of copies of the shipped model.

    Attributes:
        scratch: Folder of everything.
        model: A version of the model.
        bodies: Requests for wrk.
    """

    scratch: Path
    model: Path
    bodies: Path

    def base(self, number: int) -> Path:
        """The folder of versions of a server."""
        return self.scratch / str(number) / "models"

    def ports(self, number: int) -> tuple[int, int]:
        """Where a server listens for REST and gRPC."""
        return _FIRST_SERVER + 2 * number, _FIRST_SERVER + 2 * number + 1

    def address(self, number: int) -> str:
        """Where a server answers, past nginx."""
        return f"http://127.0.0.1:{self.ports(number)[0]}"

    def push(self, number: int, version: int) -> None:
        """Puts the model into a server's folder as another version, in one step."""
        staging = self.scratch / f"staging-{number}-{version}"
        shutil.copytree(self.model, staging)
        self.base(number).mkdir(parents=True, exist_ok=True)
        staging.rename(self.base(number) / str(version))

    @contextmanager
    def server(self, number: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """A server, ready."""
        rest, grpc = self.ports(number)
        command = [
            str(Path(sys.executable).parent / "emotion"),
            "serve",
            "--open-when-ready",
            f"--model-base={self.base(number)}",
            f"--rest-port={rest}",
            f"--grpc-port={grpc}",
            *options,
        ]
        ready = f"{self.address(number)}/v2/health/ready"
        with running(command, ready, log=self.scratch / f"server-{number}.log") as (process, _):
            yield process

    def versions(self, number: int) -> list[str]:
        """The versions that a server has in service."""
        with urllib.request.urlopen(f"{self.address(number)}/v1/models/emotion") as reply:
            states = json.load(reply)["model_version_status"]
        return [one["version"] for one in states if one["state"] == "AVAILABLE"]


@contextmanager
def _fleet() -> Iterator[Fleet]:
    need_wrk()
    for program in ("nginx", "prometheus"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: install it, on Debian with `apt-get`.")
    model = newest_version(shipped_base())
    assert model is not None
    with tempfile.TemporaryDirectory() as folder:
        asked = [{"signature_name": "classify_text", "instances": [text]} for text in texts()]
        bodies = write_bodies(Path(folder) / "bodies", asked)
        yield Fleet(Path(folder), model, bodies)


@contextmanager
def _nginx(fleet: Fleet, numbers: Sequence[int]) -> Iterator[subprocess.Popen[bytes]]:
    """Nginx before some of the servers."""
    folder = fleet.scratch / "nginx"
    folder.mkdir(exist_ok=True)
    settings = {
        "REST_PORT": str(_PORT),
        "GRPC_PORT": str(_PORT + 1),
        "ACCESS_LOG": str(folder / "access.log"),
    }
    servers = ["127.0.0.1:{}:{}".format(*fleet.ports(number)) for number in numbers]
    with (folder / "emotion.conf").open("wb") as file:
        environment = {**os.environ, **settings}
        subprocess.run([_CONFIGURE, *servers], env=environment, stdout=file, check=True)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; worker_processes auto; {user} pid {folder}/pid;"
        f"events {{ worker_connections 1024; }}"
        f"http {{ {temporary} include {folder}/emotion.conf; }}"
    )
    command = ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(main)]
    ready = f"{_BALANCER}/v2/health/ready"
    with running(command, ready, log=folder / "log") as (process, _):
        yield process


@contextmanager
def _prometheus(fleet: Fleet, numbers: Sequence[int]) -> Iterator[Callable[[str], float]]:
    """Prometheus, which asks each server every second; gives what a query comes to."""
    folder = fleet.scratch / "prometheus"
    folder.mkdir(exist_ok=True)
    targets = json.dumps([f"127.0.0.1:{fleet.ports(number)[0]}" for number in numbers])
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: emotion\n"
        "  metrics_path: /monitoring/prometheus/metrics\n"
        f"  static_configs: [{{targets: {targets}}}]\n"
    )
    address = f"http://127.0.0.1:{_PROMETHEUS_PORT}"
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{_PROMETHEUS_PORT}",
    ]

    def value(query: str) -> float:
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{address}/api/v1/query?{asked}") as reply:
            found = json.load(reply)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    with running(command, f"{address}/-/ready", log=folder / "log"):
        yield value


def _answered(fleet: Fleet, number: int) -> int:
    """The predictions that a server has answered, by its own count."""
    page = f"{fleet.address(number)}/monitoring/prometheus/metrics"
    with urllib.request.urlopen(page) as reply:
        lines = reply.read().decode().splitlines()
    counts = [line for line in lines if line.startswith(":tensorflow:serving:request_count{")]
    return round(sum(float(line.split()[-1]) for line in counts if 'status="OK"' in line))


@dataclass(frozen=True)
class Measured:
    """A row of the table.

    Attributes:
        load: What wrk saw.
        shares: Each server's part of the answers.
        memory_mib: Of all servers.
    """

    load: Load
    shares: list[float]
    memory_mib: float


def _measure(
    fleet: Fleet, servers: int, seconds: float, *, balanced: bool, workers: int
) -> Measured:
    numbers = range(servers)
    with ExitStack() as stack:
        options = (f"--workers={workers}",) if workers > 1 else ()
        started = [stack.enter_context(fleet.server(number, *options)) for number in numbers]
        if balanced:
            stack.enter_context(_nginx(fleet, numbers))
        url = (_BALANCER if balanced else fleet.address(0)) + _PREDICT
        run_wrk(url, fleet.bodies, _CONNECTIONS, _WARM_UP_SECONDS)
        before = [_answered(fleet, number) for number in numbers]
        load = run_wrk(url, fleet.bodies, _CONNECTIONS, seconds)
        gained = [_answered(fleet, n) - once for n, once in zip(numbers, before, strict=True)]
        memory = sum(resident_mib(process.pid) for process in started)
    return Measured(load, [round(one / sum(gained), 3) for one in gained], memory)


@app.command()
def curve(
    seconds: Seconds = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Throughput and latency with 64 connections: 1, 2 and 4 processes, with and without nginx."""
    found: dict[str, Measured] = {}
    with _fleet() as fleet:
        for number in range(4):
            fleet.push(number, 1)
        for name, servers, balanced, workers in (
            ("one, without nginx", 1, False, 1),
            ("1 behind nginx", 1, True, 1),
            ("2 behind nginx", 2, True, 1),
            ("4 behind nginx", 4, True, 1),
            ("--workers 2", 1, False, 2),
            ("--workers 4", 1, False, 4),
        ):
            found[name] = _measure(fleet, servers, seconds, balanced=balanced, workers=workers)
            print(f"{name}: {found[name].load.per_second:,.0f}/s", file=sys.stderr)
    if as_json:
        print(json.dumps({name: asdict(row) for name, row in found.items()}))
        return
    names = ("requests/s", "ratio", "p50 ms", "p99 ms", "failed", "shares", "memory MiB")
    table = Table("processes", *(Column(name, justify="right") for name in names))
    first = next(iter(found.values())).load.per_second
    for name, row in found.items():
        table.add_row(
            name,
            f"{row.load.per_second:,.0f}",
            f"{row.load.per_second / first:.2f}",
            f"{row.load.p50:.1f}",
            f"{row.load.p99:.1f}",
            str(row.load.failed),
            " ".join(f"{share:.2f}" for share in row.shares),
            f"{row.memory_mib:.0f}",
        )
    Console(width=120).print(table)
    print(
        f"{os.cpu_count()} cores, which wrk and nginx use as well: with as many busy servers as "
        "cores left over, more of them only add memory."
    )


@app.command()
def changes(seconds: Seconds = 40) -> None:
    """Under load, one server is killed and one rolled to a new version, in both ways."""
    with _fleet() as fleet, ExitStack() as stack:
        numbers = range(3)
        for number in numbers:
            fleet.push(number, 1)
        alive = [stack.enter_context(fleet.server(number)) for number in numbers]
        stack.enter_context(_nginx(fleet, numbers))
        value = stack.enter_context(_prometheus(fleet, numbers))
        run_wrk(_BALANCER + _PREDICT, fleet.bodies, _CONNECTIONS, _WARM_UP_SECONDS)
        with wrk(_BALANCER + _PREDICT, fleet.bodies, _CONNECTIONS, seconds) as result:
            time.sleep(seconds / 8)
            os.killpg(alive[0].pid, signal.SIGKILL)
            time.sleep(seconds / 8)
            print(f"after the kill, Prometheus reaches {value('sum(up)'):.0f} of 3")
            stop(alive[1])
            fleet.push(1, 2)
            stack.enter_context(fleet.server(1))
            print(f"rolled by stop and start: {fleet.versions(1)}")
            fleet.push(2, 2)
            while fleet.versions(2) != ["2"]:
                time.sleep(0.1)
            print(f"rolled in place: {fleet.versions(2)}")
            load = result()
        time.sleep(3)
        print(
            f"{load.requests} requests, {load.failed} failed, p50 {load.p50} ms, "
            f"p99 {load.p99} ms, longest {load.max} ms"
        )
        counted = {number: _answered(fleet, number) for number in (1, 2)}
        print(f"by their own counts {counted}, by Prometheus {value(f'sum({_OK})'):.0f}")
        passed_on = (fleet.scratch / "nginx" / "access.log").read_text().count(", 127.0.0.1:")
        print(f"requests that nginx passed on to another server: {passed_on}")


if __name__ == "__main__":
    app()
