"""What watching for drift costs: the same server with a reference to compare with and without.

Both servers run all the time and are loaded in turns, so that whatever else changes on the machine
meets both. Traffic goes to loopback only.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from load import need_wrk, run_wrk, running, texts, write_bodies
from rich.console import Console
from rich.table import Column, Table

from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.monitoring.reference import FILE

_PORTS = {"without": 18661, "with": 18662}
_WARM_UP_SECONDS = 3
_COLUMNS = ("requests/s", "p50 ms", "p99 ms", "CPU ms a request")


def main(
    seconds: Annotated[float, typer.Option(help="How long each load lasts.")] = 3,
    rounds: Annotated[int, typer.Option(help="How often each server is loaded.")] = 10,
) -> None:
    """Prints the medians over the loads, and their ratios."""
    need_wrk()
    table = Table("connections", "", *(Column(name, justify="right") for name in _COLUMNS))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bodies = write_bodies(folder / "bodies", [{"text": text} for text in texts()])
        pids = {name: _start(name, folder, bodies, stack) for name in _PORTS}
        for connections in (1, 64):
            figures: dict[str, list[list[float]]] = {name: [] for name in _PORTS}
            for _ in range(rounds):
                for name, seen in figures.items():
                    before = _cpu_seconds(pids[name])
                    load = run_wrk(_address(name), bodies, connections, seconds)
                    spent = 1000 * (_cpu_seconds(pids[name]) - before) / load.requests
                    seen.append([load.per_second, load.p50, load.p99, spent])
            _add(table, connections, figures)
    Console().print(table)


def _start(name: str, folder: Path, bodies: Path, stack: ExitStack) -> int:
    """Starts a server and warms it up; its process."""
    command = [sys.executable, "-m", "emotion_tfx.cli", "serve", "--grpc-port", "0"]
    command += ["--rest-port", str(_PORTS[name]), "--model-base", str(_base(folder, name))]
    ready = f"http://127.0.0.1:{_PORTS[name]}/v2/health/ready"
    process, _ = stack.enter_context(running(command, ready, log=folder / f"{name}.log"))
    run_wrk(_address(name), bodies, 64, _WARM_UP_SECONDS)
    return process.pid


def _base(folder: Path, name: str) -> Path:
    """The shipped model, with its reference or without."""
    shipped = newest_version(shipped_base())
    assert shipped is not None
    base = folder / name
    shutil.copytree(shipped, base / "1")
    if name == "without":
        (base / "1" / "assets.extra" / FILE).unlink()
    return base


def _address(name: str) -> str:
    return f"http://127.0.0.1:{_PORTS[name]}/v1/emotions"


def _cpu_seconds(pid: int) -> float:
    """What a process has used so far, of the system's time as well; Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _add(table: Table, connections: int, figures: dict[str, list[list[float]]]) -> None:
    medians = {
        name: [median(column) for column in zip(*seen, strict=True)]
        for name, seen in figures.items()
    }
    for name, values in medians.items():
        table.add_row(str(connections), name, *(f"{value:,.2f}" for value in values))
    pairs = zip(medians["with"], medians["without"], strict=True)
    table.add_row(str(connections), "ratio", *(f"{ours / theirs:.3f}" for ours, theirs in pairs))


if __name__ == "__main__":
    typer.run(main)
