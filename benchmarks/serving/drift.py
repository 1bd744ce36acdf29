"""What watching for drift costs: the same server with a reference to compare with and without.

Both servers run all the time and are loaded in turns, so that whatever else changes on the machine
meets both. Traffic goes to loopback only.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from load import Load, need_wrk, run_wrk, running, texts, write_bodies
from rich.console import Console
from rich.table import Column, Table

from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.monitoring.reference import FILE

_PORTS = {"without": 18661, "with": 18662}
_WARM_UP_SECONDS = 3


def main(
    seconds: Annotated[float, typer.Option(help="How long each load lasts.")] = 6,
    rounds: Annotated[int, typer.Option(help="How often each server is loaded.")] = 5,
) -> None:
    """Prints the median of requests a second and of the latency, and their ratios."""
    need_wrk()
    table = Table(
        "connections",
        *(Column(name, justify="right") for name in ("", "requests/s", "p50 ms", "p99 ms")),
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bodies = write_bodies(folder / "bodies", [{"text": text} for text in texts()])
        for name, port in _PORTS.items():
            command = [sys.executable, "-m", "emotion_tfx.cli", "serve", "--grpc-port", "0"]
            command += ["--rest-port", str(port), "--model-base", str(_base(folder, name))]
            ready = f"http://127.0.0.1:{port}/v2/health/ready"
            stack.enter_context(running(command, ready, log=folder / f"{name}.log"))
            run_wrk(_address(name), bodies, 64, _WARM_UP_SECONDS)
        for connections in (1, 64):
            loads: dict[str, list[Load]] = {name: [] for name in _PORTS}
            for _ in range(rounds):
                for name, seen in loads.items():
                    seen.append(run_wrk(_address(name), bodies, connections, seconds))
            _add(table, connections, loads)
    Console().print(table)


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


def _add(table: Table, connections: int, loads: dict[str, list[Load]]) -> None:
    parts = ("per_second", "p50", "p99")
    figures = {
        name: [median(getattr(load, part) for load in seen) for part in parts]
        for name, seen in loads.items()
    }
    for name, values in figures.items():
        table.add_row(str(connections), name, *(f"{value:,.2f}" for value in values))
    pairs = zip(figures["with"], figures["without"], strict=True)
    table.add_row(str(connections), "ratio", *(f"{ours / theirs:.3f}" for ours, theirs in pairs))


if __name__ == "__main__":
    typer.run(main)
