"""The machine's cores, and how TensorFlow shares them while training."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: TensorFlow reads it once, when it first runs anything.
INTRAOP_THREADS = "TF_NUM_INTRAOP_THREADS"


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def training_threads() -> Iterator[None]:
    """Lets TensorFlow split an operation over half the cores, unless the user wants it otherwise.

    A network that reads in both directions always has two operations to run. If each of them is
    split over all cores, they wait for each other: on two cores that costs a sixth of the speed.
    Programs that are started later find the environment as it was.
    """
    if INTRAOP_THREADS in os.environ:
        yield
        return
    os.environ[INTRAOP_THREADS] = str(max(1, usable_cores() // 2))
    try:
        yield
    finally:
        del os.environ[INTRAOP_THREADS]
