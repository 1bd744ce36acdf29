"""Starts the web app in the place of this process."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from pathlib import Path

from emotion_tfx.config import Settings
from emotion_tfx.errors import UserError


def is_installed() -> bool:
    """Whether the libraries of the web app are there."""
    return importlib.util.find_spec("streamlit") is not None


def launch(settings: Settings, host: str, port: int) -> None:
    """Becomes the web app; signals then go to it directly.

    Args:
        settings: Where the server and the feedback are.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        UserError: The app is not installed, an address is none, or the port is taken.
    """
    if not is_installed():
        raise UserError("The web app is not installed", "Install emotion-tfx[app].")
    if not settings.server.startswith(("http://", "https://")):
        raise UserError(
            f"{settings.server!r} is no address of a server",
            "Write it with its scheme, as in http://127.0.0.1:8501.",
        )
    _check_free(host, port)
    shown = f"[{host}]" if ":" in host else host
    print(  # noqa: T201
        f"web app  http://{shown}:{port}  (asks the server at {settings.server})", flush=True
    )
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("main.py"))]
    environment = {**os.environ, "EMOTION_SERVER": settings.server}
    options = [f"--server.address={host}", f"--server.port={port}"]
    os.execve(sys.executable, [*command, *options], environment)


def _check_free(host: str, port: int) -> None:
    """Tells of a taken port in our words; Streamlit would end with a traceback or in silence."""
    # The system would quietly take the port modulo 65536.
    if not 0 < port <= 65535:
        raise UserError(f"{port} is not a port", "Choose a port between 1 and 65535.")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(address)
    except OSError as error:
        raise UserError(
            f"The web app cannot listen on {host}, port {port} ({error})",
            "Stop the program that uses it, or choose another with --port.",
        ) from None
