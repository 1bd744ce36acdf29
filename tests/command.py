"""The ``emotion`` command in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SAMPLE = REPOSITORY / "data" / "sample"


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of ours, offline, and then those given."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("EMOTION_")}
    return {**ours, "EMOTION_OFFLINE": "1", "COLUMNS": "200", **(settings or {})}


def start(*arguments: object, settings: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Starts ``emotion``, its lines readable as they come, at the head of its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "emotion_tfx.cli", *map(str, arguments)],
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts what runs in the background with SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code and what it said."""

    code: int
    output: str
    errors: str

    @property
    def components(self) -> dict[str, str]:
        """The components in the order of their lines, each with its note (``unchanged``, or "")."""
        lines = [line.split() for line in self.output.splitlines() if "✓" in line]
        return {words[1]: " ".join(words[4:]) for words in lines}

    @property
    def unchanged(self) -> set[str]:
        return {name for name, note in self.components.items() if note == "unchanged"}


def emotion(*arguments: object, settings: Mapping[str, str] | None = None) -> Ended:
    """Runs ``emotion`` to its end."""
    process = start(*arguments, settings=settings)
    output, errors = process.communicate()
    return Ended(process.returncode, output, errors)


def train(output: Path, settings: Mapping[str, str] | None = None) -> Ended:
    """Runs the pipeline on the bundled sample; it keeps itself in the folder ``sample``."""
    return emotion("train", "--data", SAMPLE, "--output", output, settings=settings)
