"""Several programs as one, such as the server and the web app: started and ended together.

``python -m emotion_tfx.together MODEL_BASE`` runs both until Ctrl-C or SIGTERM. If one of them ends
by itself, so does the other: half of it would be worse than none.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from emotion_tfx.errors import UserError

_LOOK_SECONDS = 0.2

#: A stopping server finishes what it has accepted, for 30 seconds at most.
_PATIENCE_SECONDS = 40.0

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Part:
    """One of the processes.

    Attributes:
        name: How it is called.
        arguments: Those of its program.
        ready: The address that answers once the part does.
        program: The program; the ``emotion`` command unless given.
        environment: What is set in its environment beside what is set here.
    """

    name: str
    arguments: Sequence[str]
    ready: str
    program: Sequence[str] = (sys.executable, "-m", "emotion_tfx.cli")
    environment: Mapping[str, str] = field(default_factory=dict)


class _StopAsked(Exception):  # noqa: N818
    """A signal asks to end."""


def run_together(parts: Sequence[Part], announcement: str) -> int:
    """Runs all parts until a signal asks to end, or until one of them ends by itself.

    Args:
        parts: What to run.
        announcement: Printed when all of them answer.

    Returns:
        The exit code: 0 after a signal, otherwise 1.
    """
    before = {number: signal.signal(number, _ask_to_stop) for number in _STOP}
    running: list[tuple[Part, subprocess.Popen[bytes]]] = []
    try:
        running.extend((part, _start(part)) for part in parts)
        waiting = list(parts)
        while True:
            for part, process in running:
                if process.poll() is not None:
                    typer.echo(f"The {part.name} has ended (code {process.returncode}).", err=True)
                    return 1
            if waiting:
                waiting = [part for part in waiting if not _answers(part.ready)]
                if not waiting:
                    typer.echo(announcement)
            time.sleep(_LOOK_SECONDS)
    except _StopAsked:
        return 0
    finally:
        # Whoever presses Ctrl-C twice must not leave a process behind.
        for number in _STOP:
            signal.signal(number, signal.SIG_IGN)
        _end([process for _, process in running])
        for number, handler in before.items():
            signal.signal(number, handler)


def check_free(name: str, host: str, port: int, remedy: str) -> None:
    """Tells of a taken port in our words; others end with a traceback, or in silence.

    Args:
        name: What wants to listen, as it begins a sentence.
        host: Where.
        port: Where.
        remedy: What to do if the port is taken.

    Raises:
        UserError: It cannot be listened on.
    """
    # The system would quietly take the port modulo 65536.
    if not 0 < port <= 65535:
        raise UserError(f"{port} is not a port", "Choose a port between 1 and 65535.")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(address)
    except OSError as error:
        raise UserError(f"{name} cannot listen on {host}, port {port} ({error})", remedy) from None


def _ask_to_stop(number: int, frame: object) -> None:
    raise _StopAsked


def _start(part: Part) -> subprocess.Popen[bytes]:
    # A session of its own, as Ctrl-C goes to all of a terminal's processes: twice is once too much.
    return subprocess.Popen(
        [*part.program, *part.arguments],
        env={**os.environ, **part.environment},
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


def _die_with_parent() -> None:
    """Has the kernel end this process when its parent is killed (prctl(2), Linux)."""
    for number in _STOP:
        signal.signal(number, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401  # It wants a key, so it is there.
    except (OSError, ValueError):
        return False


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _main(
    model_base: Annotated[Path, typer.Argument(help="Folder of numbered versions.")],
    rest_port: Annotated[int, typer.Option(help="Port of the server.")] = 8501,
    grpc_port: Annotated[int, typer.Option(help="Port of its gRPC interface; 0: none.")] = 8500,
    app_port: Annotated[int, typer.Option(help="Port of the web app.")] = 8502,
) -> None:
    """Serves a model, with the web app if that is installed."""
    from emotion_tfx.app.launch import is_installed

    server, web_app = f"http://127.0.0.1:{rest_port}", f"http://127.0.0.1:{app_port}"
    ports = ["--rest-port", str(rest_port), "--grpc-port", str(grpc_port)]
    serve = ["serve", "--model-base", str(model_base), *ports]
    parts = [Part("server", serve, f"{server}/v2/health/ready")]
    lines = f"\nserver   {server}\n"
    if is_installed():
        arguments = ["app", "--server", server, "--port", str(app_port)]
        parts.append(Part("web app", arguments, f"{web_app}/_stcore/health"))
        lines += f"web app  {web_app}\n"
    raise typer.Exit(run_together(parts, lines + "Ctrl-C stops it all."))


if __name__ == "__main__":
    typer.run(_main)
