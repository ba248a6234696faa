"""How freed memory is kept for the next step instead of going back to the system each time.

Training frees and asks for the same large tensors thousands of times. By default the C library
returns each of them to the kernel, which clears it page by page before it comes back; in a virtual
machine that has taken a quarter of a policy update's time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's malloc.h. Once told, it does not adapt by itself any more: afterwards its limits are those
# it adapts to in a process that frees large blocks (DEFAULT_MMAP_THRESHOLD_MAX and twice that).
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
ADAPTED = 32 * 2**20
LARGEST = 2**31 - 1


@contextmanager
def kept() -> Iterator[None]:
    """Inside, freed memory stays with this process; afterwards it goes back, and so do blocks of
    more than ADAPTED bytes."""
    if not adjustable():
        yield
        return
    _set_thresholds(LARGEST, LARGEST)
    try:
        yield
    finally:
        _set_thresholds(2 * ADAPTED, ADAPTED)
        ctypes.CDLL(None).malloc_trim(0)


def adjustable() -> bool:
    """Whether the C library is glibc, which can be told; elsewhere nothing is changed."""
    library = ctypes.CDLL(None)
    return hasattr(library, "mallopt") and hasattr(library, "malloc_trim")


def _set_thresholds(trim: int, mmap: int) -> None:
    for threshold, size in ((TRIM_THRESHOLD, trim), (MMAP_THRESHOLD, mmap)):
        ctypes.CDLL(None).mallopt(threshold, size)
