"""Folders that may be in a bucket: fetched before they are read, sent once they are written.

The libraries read and write addresses such as ``gs://bucket/folder`` by themselves; code that wants
plain files goes through here. An address is whatever TensorFlow has a file system for.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_remote(folder: str) -> bool:
    """Whether it is an address and no path of this machine."""
    return "://" in folder


@contextmanager
def fetched(folder: str) -> Iterator[Path]:
    """A folder to read: itself, or for the time being a copy of what is at the address."""
    if not is_remote(folder):
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as copy:
        _copy(folder, copy)
        yield Path(copy)


@contextmanager
def sent(folder: str) -> Iterator[Path]:
    """A folder to write: itself, or one whose files go to the address when all is written."""
    if not is_remote(folder):
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as written:
        yield Path(written)
        _copy(written, folder)


def _copy(source: str, target: str) -> None:
    from tensorflow.io import gfile

    for folder, _, files in gfile.walk(source):
        beyond = folder[len(source) :].strip("/")
        gfile.makedirs(posixpath.join(target, beyond) if beyond else target)
        for file in files:
            gfile.copy(
                posixpath.join(folder, file), posixpath.join(target, beyond, file), overwrite=True
            )
