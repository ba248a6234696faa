"""What the machine can do, and how a benchmark starts a contender on it.

A contender is a process of its own, so that its peak memory is its own. Run as a script this
measures the machine; only that part needs torch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from environment import ROOT

HERE = Path(__file__).resolve().parent
MATRIX_SIZE = 2048
READ_BYTES = 1 << 29


def run_contender(python: Path | str, script: Path | str, job: dict[str, Any]) -> dict[str, Any]:
    """Run `python script JOBFILE`; the JSON object on its last line, with `load` before it ran.

    Raises RuntimeError with its exit status and the end of its output when it fails.
    """
    load = os.getloadavg()[0]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(job, file)
        file.flush()
        done = subprocess.run(
            [python, HERE / script, file.name],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{script} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"load": round(load, 2)}


def _environment() -> dict[str, str]:
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
    return os.environ | quiet | {"PYTHONPATH": str(ROOT), "TRL_EXPERIMENTAL_SILENCE": "1"}


def measure_machine() -> dict[str, float]:
    """Float32 matrix rate (GFLOP/s) and read bandwidth (GB/s), the best of several tries."""
    return run_contender(sys.executable, "machine.py", {})


def _matrix_gflops() -> float:
    """Rate of a float32 matrix product, 2·n³ operations, with torch's usual threads."""
    import torch

    a, b = torch.rand(MATRIX_SIZE, MATRIX_SIZE), torch.rand(MATRIX_SIZE, MATRIX_SIZE)
    return 2 * MATRIX_SIZE**3 / _fastest(lambda: a @ b) / 1e9


def _read_gigabytes() -> float:
    """Rate at which a sum reads an array much larger than any cache."""
    import torch

    array = torch.ones(READ_BYTES // 4)
    return READ_BYTES / _fastest(array.sum) / 1e9


def _fastest(action: Callable[[], object], tries: int = 12) -> float:
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    measured = {"matrix_gflops": _matrix_gflops(), "read_gb_per_second": _read_gigabytes()}
    print(json.dumps({name: round(value, 1) for name, value in measured.items()}))
