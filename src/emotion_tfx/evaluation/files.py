"""Files that are whole or not there at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from emotion_tfx.errors import UserError


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``; who reads meanwhile sees the old file or the new, never half.

    Folders on the way are made. The bytes go to a temporary name beside ``path`` first, which then
    takes its place.

    Raises:
        UserError: The place cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UserError(
            f"this file cannot be written ({error.strerror})",
            "Name another folder, or see to its permissions and free space.",
            path=path,
        ) from error
