"""This server beside others, one after another on the same machine with the same SavedModel."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from load import HERE, Load, need_wrk, resident_mib, run_wrk, running, texts, write_bodies
from rich.console import Console
from rich.table import Column, Table

from emotion_tfx.model.locate import newest_version, shipped_base

_ENVIRONMENTS = Path.home() / ".cache" / "emotion-tfx" / "benchmark-environments"
_PORT = 18601
_WARM_UP_SECONDS = 5
OURS = "emotion serve"


@dataclass(frozen=True)
class Contender:
    """A server to measure.

    Attributes:
        name: What the table calls it.
        packages: What its own environment holds, besides TensorFlow.
        command: Starts it, given the folder of its environment's programs.
        path: Where it predicts.
        ready: Where it says that it is ready.
        body: A request for a text.
        folder: Where it is started.
    """

    name: str
    packages: Sequence[str]
    command: Callable[[Path], list[str]]
    path: str
    ready: str
    body: Callable[[str], object]
    folder: Path = HERE / "servers"


def _text(text: str) -> object:
    return {"text": text}


def _contenders(base: Path) -> list[Contender]:
    port = str(_PORT)
    return [
        Contender(
            OURS,
            (),
            lambda programs: [
                str(programs / "emotion"),
                "serve",
                f"--model-base={base}",
                f"--rest-port={port}",
                f"--grpc-port={_PORT + 1}",
            ],
            "/v1/models/emotion:predict",
            "/v2/health/ready",
            lambda text: {"signature_name": "classify_text", "instances": [text]},
        ),
        Contender(
            "FastAPI + TensorFlow",
            ("fastapi", "uvicorn[standard]"),
            lambda programs: [
                str(programs / "uvicorn"),
                "fastapi_app:app",
                f"--port={port}",
                "--no-access-log",
            ],
            "/predict",
            "/ready",
            _text,
        ),
        Contender(
            "LitServe",
            ("litserve",),
            lambda programs: [str(programs / "python"), "litserve_app.py", port],
            "/predict",
            "/health",
            _text,
        ),
        Contender(
            "BentoML",
            ("bentoml",),
            lambda programs: [
                str(programs / "bentoml"),
                "serve",
                "bentoml_app:Emotions",
                f"--port={port}",
                "--host=127.0.0.1",
            ],
            "/predict",
            "/readyz",
            lambda text: {"texts": [text]},
        ),
        Contender(
            "MLServer",
            # Later ones need a protobuf that TensorFlow 2.16 does not take.
            ("mlserver<1.7", "uvloop<0.22"),
            lambda programs: [str(programs / "mlserver"), "start", "."],
            "/v2/models/emotion/infer",
            "/v2/models/emotion/ready",
            lambda text: {
                "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]
            },
            HERE / "servers" / "mlserver",
        ),
    ]


@dataclass(frozen=True)
class Measured:
    """One row of the table.

    Attributes:
        start_seconds: From the start of its process until it answers.
        one: With one connection.
        many: With many.
        memory_mib: Of all its processes, after the load.
    """

    start_seconds: float
    one: Load
    many: Load
    memory_mib: float


def _programs(contender: Contender, environments: Path) -> Path:
    """The folder of the programs of its environment, which is made if need be."""
    if contender.name == OURS:
        return Path(sys.executable).parent
    folder = environments / contender.packages[0].partition("<")[0]
    programs = folder / "bin"
    if not (folder / "ready").exists():
        import tensorflow as tf

        venv = [sys.executable, "-m", "venv", "--clear", str(folder)]
        subprocess.run(venv, check=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "setuptools<81"]
        tensorflow = f"tensorflow-cpu=={tf.__version__}"
        subprocess.run([*pip, tensorflow, *contender.packages], check=True)
        (folder / "ready").touch()
    return programs


def measure(
    contender: Contender,
    programs: Path,
    model: Path,
    seconds: float,
    connections: int,
    scratch: Path,
) -> Measured:
    """Starts a server, loads it, and stops it."""
    log = scratch / "server.log"
    environment = {
        "MODEL": str(model),
        "MLSERVER_HTTP_PORT": str(_PORT),
        "MLSERVER_GRPC_PORT": str(_PORT + 1),
        "MLSERVER_METRICS_PORT": str(_PORT + 2),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    address = f"http://127.0.0.1:{_PORT}"
    bodies = write_bodies(scratch / "bodies", [contender.body(text) for text in texts()])
    url = address + contender.path
    with running(
        contender.command(programs),
        address + contender.ready,
        folder=contender.folder,
        environment=environment,
        log=log,
    ) as (process, start):
        run_wrk(url, bodies, connections, _WARM_UP_SECONDS)
        one = run_wrk(url, bodies, 1, seconds)
        many = run_wrk(url, bodies, connections, seconds)
        return Measured(start, one, many, resident_mib(process.pid))


def main(
    seconds: Annotated[float, typer.Option(help="How long each load lasts.")] = 10,
    connections: Annotated[int, typer.Option(help="Of the heavy load.")] = 64,
    only: Annotated[list[str] | None, typer.Option(help="Only these servers.")] = None,
    environments: Annotated[
        Path, typer.Option(help="Where the other servers' environments are, or will be made.")
    ] = _ENVIRONMENTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure serving: this server, FastAPI, LitServe, BentoML and MLServer, in turn.

    All serve the shipped model's classify_text with one worker and answer
    single texts over HTTP; those that can batch do. The load comes from wrk on
    this machine. Takes some four minutes once the environments are made.
    """
    need_wrk()
    base = shipped_base()
    model = newest_version(base)
    assert model is not None
    found: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for contender in _contenders(base):
            if only and contender.name not in only:
                continue
            with Console(stderr=True).status(f"Measuring {contender.name} …"):
                programs = _programs(contender, environments)
                try:
                    row = measure(contender, programs, model, seconds, connections, Path(scratch))
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    continue
            print(f"{contender.name}: {row.many.per_second:,.0f}/s", file=sys.stderr)
            found[contender.name] = row
    if as_json:
        print(json.dumps({name: asdict(row) for name, row in found.items()}))
        return
    Console(width=120).print(_table(found, connections))


def _table(found: dict[str, Measured], connections: int) -> Table:
    names = (
        "start s",
        "memory MiB",
        "p50 ms, 1",
        "p99 ms, 1",
        f"p50 ms, {connections}",
        f"p99 ms, {connections}",
        f"requests/s, {connections}",
        "failed",
        "ratio",
    )
    table = Table("server", *(Column(name, justify="right") for name in names))
    ours = found[OURS].many.per_second if OURS in found else None
    for name, row in found.items():
        ratio = f"{ours / row.many.per_second:.2f}" if ours else ""
        table.add_row(
            name,
            f"{row.start_seconds:.1f}",
            f"{row.memory_mib:.0f}",
            f"{row.one.p50:.2f}",
            f"{row.one.p99:.2f}",
            f"{row.many.p50:.1f}",
            f"{row.many.p99:.1f}",
            f"{row.many.per_second:,.0f}",
            str(row.one.failed + row.many.failed),
            ratio,
        )
    return table


if __name__ == "__main__":
    typer.run(main)
