"""How freed memory is kept for the next step instead of going back to the system each time.

Training frees and asks for the same large tensors thousands of times. By default the C library
returns each of them to the kernel, which clears it page by page before it comes back; in a virtual
machine that has taken a quarter of a policy update's time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from models_service.lm import cpu

# glibc's malloc.h. Once told, it does not adapt by itself any more: afterwards its limits are those
# it adapts to in a process that frees large blocks (DEFAULT_MMAP_THRESHOLD_MAX and twice that).
# From mallopt(3). Above the mmap threshold a block is a mapping of its own, which free() hands back
# at once; above the trim threshold the top of the heap goes back. Both have to be raised: either
# alone gives pages back, and the kernel clears each before it comes again.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
ADAPTED = 32 * 2**20
# mallopt takes an int.
LARGEST = 2**31 - 1


@contextmanager
def kept() -> Iterator[None]:
    """Inside, freed memory stays with this process; afterwards it goes back, and so do blocks of
    more than ADAPTED bytes."""
    # musl and macOS have neither of the two: training is slower there, not wrong.
    if not (cpu.enabled() and adjustable()):
        yield
        return
    _set_thresholds(LARGEST, LARGEST)
    try:
        yield
    finally:
        # Not glibc's start values: setting a threshold by hand ends its adapting for the rest of
        # the process, and at the start's 128 KiB every larger block of what this process does next
        # would be a mapping.
        _set_thresholds(2 * ADAPTED, ADAPTED)
        # What the run kept is still in the heap: other processes of the machine may need it.
        ctypes.CDLL(None).malloc_trim(0)


def adjustable() -> bool:
    """Whether the C library is glibc, which can be told; elsewhere nothing is changed."""
    library = ctypes.CDLL(None)
    return hasattr(library, "mallopt") and hasattr(library, "malloc_trim")


def _set_thresholds(trim: int, mmap: int) -> None:
    for threshold, size in ((TRIM_THRESHOLD, trim), (MMAP_THRESHOLD, mmap)):
        ctypes.CDLL(None).mallopt(threshold, size)
