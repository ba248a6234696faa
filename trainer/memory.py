"""How much memory this process uses and this machine has, in bytes; Linux tells, others do not."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

MIB = 2**20
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def forget_peak() -> None:
    """Begin to measure the peak anew: a worker has done other runs before."""
    with suppress(OSError):
        _CLEAR.write_text("5")
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def metrics() -> dict[str, float]:
    """`memory/process` and `memory/peak`, of a GPU `memory/gpu_peak`, all in MiB."""
    found = {}
    with suppress(OSError):
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        for name, key in (("process", "VmRSS"), ("peak", "VmHWM")):
            if key in lines:
                found[f"memory/{name}"] = int(lines[key].split()[0]) / 1024  # the kernel's kB
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        found["memory/gpu_peak"] = torch.cuda.max_memory_allocated() / MIB
    return found


def machine() -> int:
    """What a process may have here: the machine's memory, or less where a container limits it."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _LIMITS:
        with suppress(OSError, ValueError):
            return min(installed, int(path.read_text()))
    return installed
