"""How freed memory is kept for the next step instead of going back to the system each time.

Training frees and asks for the same large tensors thousands of times. By default the C library
returns each of them to the kernel, which clears it page by page before it comes back; in a virtual
machine that has taken a quarter of a policy update's time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's malloc.h; the defaults are its own before it adapts them.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
DEFAULT = 128 * 1024
LARGEST = 2**31 - 1


@contextmanager
def kept() -> Iterator[None]:
    """Inside, freed memory stays with this process; afterwards it goes back."""
    if not adjustable():
        yield
        return
    _set_thresholds(LARGEST)
    try:
        yield
    finally:
        _set_thresholds(DEFAULT)
        ctypes.CDLL(None).malloc_trim(0)


def adjustable() -> bool:
    """Whether the C library is glibc, which can be told; elsewhere nothing is changed."""
    library = ctypes.CDLL(None)
    return hasattr(library, "mallopt") and hasattr(library, "malloc_trim")


def _set_thresholds(size: int) -> None:
    for threshold in (TRIM_THRESHOLD, MMAP_THRESHOLD):
        ctypes.CDLL(None).mallopt(threshold, size)
