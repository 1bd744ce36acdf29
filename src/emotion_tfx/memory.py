"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3), from its <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 256 * 2**20
#: The most that glibc takes before version 2.35.
_OWN_MAPPING_BYTES = 32 * 2**20


def keep_freed_memory() -> bool:
    """Keeps up to 256 MiB that this process frees, instead of returning it to the kernel.

    A training step frees arrays of some megabytes that the next one needs again. glibc gives many
    of them back, and the kernel has to clear every page anew: some 8 % of a step.

    Returns:
        Whether the C library is one that can be told so (glibc); others are left as they are.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    return bool(kept and mallopt(_M_MMAP_THRESHOLD, _OWN_MAPPING_BYTES))
