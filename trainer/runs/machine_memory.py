"""How much memory this process uses and this machine has; Linux tells, others do not."""

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
    """What a run may have here: its GPU's memory where it trains on one, as its peak is measured;
    else the machine's, or less where a container limits it."""
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _LIMITS:
        with suppress(OSError, ValueError):
            return min(installed, int(path.read_text()))
    return installed
