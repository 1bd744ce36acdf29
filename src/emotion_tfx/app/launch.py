"""Starts the web app in the place of this process."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from emotion_tfx.config import Settings
from emotion_tfx.errors import UserError
from emotion_tfx.together import check_free


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
    remedy = "Stop the program that uses it, or choose another with --port."
    check_free("The web app", host, port, remedy)
    shown = f"[{host}]" if ":" in host else host
    print(  # noqa: T201
        f"web app  http://{shown}:{port}  (asks the server at {settings.server})", flush=True
    )
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("main.py"))]
    environment = {**os.environ, "EMOTION_SERVER": settings.server}
    options = [f"--server.address={host}", f"--server.port={port}"]
    os.execve(sys.executable, [*command, *options], environment)
