"""Times steps from the inside of a training process, whichever library runs the loop."""

from __future__ import annotations

import json
import resource
import sys
import time


class Enough(Exception):
    """Raised out of a training loop once enough steps are timed."""


class Stopwatch:
    """Wall-clock and processor seconds of each step; the process's peak memory at the end."""

    def __init__(self, steps: int) -> None:
        self.wanted = steps
        self.steps: list[dict[str, float]] = []
        self._start = (0.0, 0.0)

    def start(self) -> None:
        """A step begins."""
        self._start = (time.perf_counter(), time.process_time())

    def stop(self, **values: float) -> None:
        """The step is over; `values` are kept beside its time. Raises Enough after the last."""
        wall, cpu = time.perf_counter() - self._start[0], time.process_time() - self._start[1]
        self.steps.append({"seconds": wall, "cpu_seconds": cpu, **values})
        if len(self.steps) >= self.wanted:
            raise Enough

    def print(self) -> None:
        """The result as the process's last line."""
        rounded = [{k: round(v, 4) for k, v in step.items()} for step in self.steps]
        print(json.dumps({"steps": rounded, **peak_memory()}))


def peak_memory() -> dict[str, int]:
    """What this process had at most, in MiB, and of a GPU. Linux counts ru_maxrss in KiB."""
    peak = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        peak["gpu_peak_mb"] = torch.cuda.max_memory_allocated() >> 20
    return peak
