"""The import of TensorFlow, which takes seconds and must not be begun by two threads at a time."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_USUAL_SWITCH_SECONDS = sys.getswitchinterval()
_SHORT_SWITCH_SECONDS = 0.0005

#: What TensorFlow imports where it is installed, and does without where it is not.
_UNUSED = ("keras", "h5py", "scipy", "googleapiclient")


def import_tensorflow() -> None:
    """Imports TensorFlow, once, and takes its objects out of the garbage collector's sight.

    They never go away, and walking over them stops every thread for 0.2 s. Threads that import
    parts of it at the same time would find some of them half made. A server runs graphs and has no
    use for Keras, with which TensorFlow imports as much again: a third of the time and 130 MiB. Nor
    has it for what reads Keras' files, sparse matrices and Google's cloud: 33 MiB.
    """
    with _LOCK:
        if "tensorflow" in sys.modules:
            return
        with _without(_UNUSED):
            import tensorflow  # noqa: F401
        gc.collect()
        gc.freeze()


@contextmanager
def _without(packages: Iterable[str]) -> Iterator[None]:
    """Lets the import of these packages fail meanwhile, unless they have been imported already."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


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
