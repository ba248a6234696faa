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
# Sizes and calls a try, so that a GPU, too, is busy for longer than it takes to start it.
MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}
READ_BYTES = {"cpu": 1 << 29, "cuda": 1 << 33}
CALLS = {"cpu": 1, "cuda": 10}
TRIES = 12


def run_contender(python: Path | str, script: Path | str, job: dict[str, Any]) -> dict[str, Any]:
    """Run `python script JOBFILE`; the JSON object on its last line, with `load` before it ran.

    It sees no GPU unless the job's "device" is "cuda". Raises RuntimeError with its exit status
    and the end of its output when it fails.
    """
    load = os.getloadavg()[0]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(job, file)
        file.flush()
        done = subprocess.run(
            [python, HERE / script, file.name],
            env=_environment(job.get("device", "cpu")),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{script} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"load": round(load, 2)}


def _environment(device: str) -> dict[str, str]:
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    hidden = {} if device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
    paths = {"PYTHONPATH": str(ROOT), "TRL_EXPERIMENTAL_SILENCE": "1"}
    return os.environ | quiet | hidden | paths


def run_command(*arguments: Path | str) -> dict[str, Any]:
    """`manage.py` with these arguments and --json, in a process of its own: what it tells, beside
    its `seconds` and its `peak_mb`. Raises RuntimeError as above."""
    command = [sys.executable, ROOT / "manage.py", *arguments, "--json"]
    found = run_contender(
        sys.executable, "contenders/command.py", {"command": [*map(str, command)]}
    )
    return found.pop("told") | found


def measure_machine(device: str = "cpu") -> dict[str, Any]:
    """What `device` can do, the best of several tries: `matrix_gflops`, the rate of matrix products
    in the precision that training multiplies in there, and `read_gb_per_second`."""
    return run_contender(sys.executable, "machine.py", {"device": device})


def measure(device: str) -> dict[str, Any]:
    """The same in this process. A GPU multiplies in bfloat16; its float32 rate is told, too."""
    import torch

    if device == "cpu":
        return {"matrix_gflops": _matrix_gflops(device), "read_gb_per_second": _read_gb(device)}
    return {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "matrix_gflops": _matrix_gflops(device, "bfloat16"),
        "float32_matrix_gflops": _matrix_gflops(device),
        "read_gb_per_second": _read_gb(device),
    }


def _matrix_gflops(device: str, dtype: str = "float32") -> float:
    """Rate of a matrix product, 2·n³ operations, on random numbers."""
    import torch

    size = MATRIX_SIZE[device]
    a, b = (torch.rand(size, size, device=device).to(getattr(torch, dtype)) for _ in range(2))
    return round(2 * size**3 / _fastest(lambda: a @ b, device) / 1e9, 1)


def _read_gb(device: str) -> float:
    """Rate at which a sum reads an array much larger than any cache."""
    import torch

    array = torch.ones(READ_BYTES[device] // 4, device=device)
    return round(READ_BYTES[device] / _fastest(array.sum, device) / 1e9, 1)


def _fastest(action: Callable[[], object], device: str) -> float:
    """Seconds a call, in the fastest try."""
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        for _ in range(CALLS[device]):
            action()
        finish(device)
        times.append(time.perf_counter() - start)
    return min(times) / CALLS[device]


def finish(device: str) -> None:
    """Return once the device has done all it was told to."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(Path(sys.argv[1]).read_text())["device"])))
