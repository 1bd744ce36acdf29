"""Where the server's log goes: words for people, and a line of JSON for each request."""

from __future__ import annotations

import logging

from .http import access_logger


def log_to_stderr() -> None:
    """Sends the log to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    lines = logging.StreamHandler()
    lines.setFormatter(logging.Formatter("%(message)s"))
    access_logger.addHandler(lines)
    access_logger.propagate = False
