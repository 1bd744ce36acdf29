"""What the C library does with memory that is freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from emotion_tfx.memory import keep_freed_memory

def faults_of_a_step(mebibytes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):  # as a step does: several arrays at once, all freed at its end
        arrays = [np.ones(mebibytes * 2**18, np.float32) for _ in range(10)]
        del arrays
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10

faults_of_a_step(4)
before = faults_of_a_step(4)
told = keep_freed_memory()
faults_of_a_step(16)  # longer texts make larger arrays
print(int(told), before, faults_of_a_step(16))
"""


def test_memory_that_is_freed_and_taken_again_is_not_cleared_by_the_kernel():
    # In a process of its own: what the C library is told lasts as long as the process.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    told, before, after = map(float, done.stdout.split())
    if not told:
        pytest.skip("the C library is not glibc")
    assert after < before / 10
