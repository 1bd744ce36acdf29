"""The import of TensorFlow, which takes seconds and must not be begun by two threads at a time."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_USUAL_SWITCH_SECONDS = sys.getswitchinterval()
_SHORT_SWITCH_SECONDS = 0.0005
_KERAS = "keras"


def import_tensorflow() -> None:
    """Imports TensorFlow, once, and takes its objects out of the garbage collector's sight.

    They never go away, and walking over them stops every thread for 0.2 s. Threads that import
    parts of it at the same time would find some of them half made. A server runs graphs and has no
    use for Keras, with which TensorFlow imports as much again: a third of the time and 130 MiB.
    """
    with _LOCK:
        if "tensorflow" in sys.modules:
            return
        with _without_keras():
            import tensorflow  # noqa: F401
        gc.collect()
        gc.freeze()


@contextmanager
def _without_keras() -> Iterator[None]:
    """Lets the import of Keras fail meanwhile, which TensorFlow is ready for."""
    if _KERAS in sys.modules:
        yield
        return
    sys.modules[_KERAS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_KERAS]


@contextmanager
def giving_way() -> Iterator[None]:
    """Lets the interpreter change threads more often while this one works on something long.

    It takes turns every 5 ms otherwise, which is what each step of every request would wait.
    """
    sys.setswitchinterval(_SHORT_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(_USUAL_SWITCH_SECONDS)
