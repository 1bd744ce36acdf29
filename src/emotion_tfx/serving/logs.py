"""Where the server's log goes: words for people, and a line of JSON for each request."""

from __future__ import annotations

import logging
import sys
import threading
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TextIO

_FLUSH_SECONDS = 0.25


def log_to_stderr() -> None:
    """Sends the log to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


class AccessLog:
    """Writes lines to a stream in the background, so that no request waits for the writing.

    Use it as a context, at whose end everything is written.

    Args:
        stream: Where to; standard error without it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="access-log", daemon=True)

    def __call__(self, line: str) -> None:
        """Takes a line."""
        self._lines.put(line)

    def __enter__(self) -> AccessLog:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._stop.wait(_FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = []
        try:
            while True:
                lines.append(self._lines.get_nowait())
        except Empty:
            pass
        if not lines:
            return
        try:
            stream = self._stream or sys.stderr
            stream.write("\n".join(lines) + "\n")
            stream.flush()
        except (OSError, ValueError):
            pass  # Nobody reads the log any more; that is no reason to stop serving.
