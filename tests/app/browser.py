"""The real server, the real app, and a real browser looking at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ..command import REPOSITORY, environment

CHROMIUM = shutil.which("chromium")
PICTURES = REPOSITORY / "output" / "screenshots"

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(
    *arguments: object, ready: str, log: Path, settings: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Runs ``emotion`` until the block ends, which begins once an address answers."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "emotion_tfx.cli", *map(str, arguments)],
            env=environment(settings),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        wait_for(ready, process, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            told = log.read_text(errors="replace")
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.1)


@contextmanager
def serving(log: Path) -> Iterator[str]:
    """The shipped model, served; gives the address."""
    address = f"http://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    arguments = ("serve", "--rest-port", port, "--grpc-port", 0)
    with running(*arguments, ready=f"{address}/v2/health/ready", log=log):
        yield address


@contextmanager
def app(server: str, log: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """The web app for a server; gives its address."""
    address = f"http://127.0.0.1:{free_port()}"
    arguments = ("app", "--server", server, "--port", address.rpartition(":")[2])
    with running(*arguments, ready=f"{address}/_stcore/health", log=log, settings=settings):
        yield address


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)


def take_picture(page: Page, name: str, height: int | None = None) -> None:
    """Keeps a picture of the page, all of it: Streamlit scrolls inside the window."""
    size = page.viewport_size
    assert size is not None
    if height is None:
        script = "document.querySelector('.stMain').scrollHeight"
        height = min(4000, max(size["height"], int(page.evaluate(script))))
    page.set_viewport_size({"width": size["width"], "height": height})
    page.wait_for_timeout(150)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
    page.set_viewport_size(size)


def processes_of(marker: str) -> list[int]:
    """Processes with these letters in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in command and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found
