"""The import of TensorFlow, which takes seconds and must not be begun by two threads at a time."""

from __future__ import annotations

import gc
import sys
import threading

_LOCK = threading.Lock()


def import_tensorflow() -> None:
    """Imports TensorFlow, once, and takes its objects out of the garbage collector's sight.

    They never go away, and walking over them stops every thread for 0.2 s. Threads that import
    parts of it at the same time would find some of them half made.
    """
    with _LOCK:
        if "tensorflow" in sys.modules:
            return
        import tensorflow  # noqa: F401

        gc.collect()
        gc.freeze()
