"""Work that is heavy for the interpreter: the import of TensorFlow, and threads that want turns."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_SWITCH_SECONDS = 0.0005

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
def quick_turns() -> Iterator[None]:
    """Lets the interpreter change threads every half millisecond while a server runs.

    It does so every 5 ms otherwise. So long a model that has just finished would wait for the event
    loop to let it hand out its answers and take what is next, and every request would wait for a
    version that is being loaded.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
