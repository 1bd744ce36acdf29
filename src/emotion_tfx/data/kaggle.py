"""Fetches the Kaggle corpus, or gives up soon and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: The corpus on Kaggle: 416,809 texts.
DATASET = "nelgiriyewithana/emotions"

# kagglehub sets time limits of its own to single requests, but none to the whole, and looking up a
# host name has none at all. In a process of its own it can be ended at any point.
_DOWNLOAD = f"""
import sys
try:
    import kagglehub
    folder = kagglehub.dataset_download({DATASET!r})
except Exception as error:
    sys.exit(" ".join(f"{{type(error).__name__}}: {{error}}".split()))
print()
print(folder)
"""


class FetchError(Exception):
    """The corpus can't be had; the message is a plain reason."""


def fetch(target: Path, *, patience: float = 10.0) -> None:
    """Downloads the corpus's CSV files into a folder, all or none.

    Args:
        target: The folder to make. Its parent is made as well.
        patience: Seconds after which the attempt is ended unless the download has begun.

    Raises:
        FetchError: No network, no package, no permission, no space, or no answer in time.
    """
    target = target.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".kaggle-") as scratch:
            complete = Path(scratch) / "complete"
            complete.mkdir()
            for file in _download(Path(scratch), patience).glob("*.csv"):
                shutil.copyfile(file, complete / file.name)
            if not any(complete.iterdir()):
                raise FetchError("the download holds no CSV file")
            complete.rename(target)
    except OSError as error:
        raise FetchError(f"{target} cannot be written: {error.strerror}") from error


def _download(scratch: Path, patience: float) -> Path:
    """Runs kagglehub in a child process that ends with this call, whatever happens."""
    hub = scratch / "hub"
    hub.mkdir()
    with (scratch / "stdout").open("w+") as output, (scratch / "stderr").open("w+") as errors:
        child = subprocess.Popen(
            [sys.executable, "-c", _DOWNLOAD],
            # An empty working folder, because Python would import modules from it.
            cwd=hub,
            env={**os.environ, "KAGGLEHUB_CACHE": str(hub)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
        try:
            _await(child, hub, patience)
        finally:
            child.kill()
            child.wait()
        output.seek(0)
        errors.seek(0)
        if child.returncode != 0:
            raise FetchError(_reason(errors.read()))
        return Path(output.read().splitlines()[-1])


def _await(child: subprocess.Popen[bytes], hub: Path, patience: float) -> None:
    """Waits for the child to end, without limit only once a file is on its way."""
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        if not any(path.is_file() for path in hub.rglob("*")):
            raise FetchError(f"no answer within {patience:g} seconds") from None
        # From here on kagglehub itself gives up after 15 seconds without a byte.
        child.wait()


def _reason(errors: str) -> str:
    """The child's last words as a short, plain reason."""
    message = errors.strip().splitlines()[-1] if errors.strip() else "kagglehub ended early"
    name = message.partition(":")[0]
    if name == "ModuleNotFoundError":
        return "the package kagglehub is not installed"
    if name.endswith(("ConnectionError", "Timeout", "ProxyError", "SSLError")):
        return "no connection to Kaggle"
    return message if len(message) <= 120 else message[:119] + "…"
