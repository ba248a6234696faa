"""Seconds and peak memory of a command, and the JSON object that it prints.

Usage: python command.py JOBFILE, with the job {"command": [program, argument, ...]}. A process as
small as this one has to start it: of a child of a large one Linux counts the parent's memory, too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def measure(command: list[str]) -> dict[str, Any]:
    """`peak_mb` is in MiB; Linux counts ru_maxrss in KiB. Raises CalledProcessError."""
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    told = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": round(seconds, 1), "peak_mb": peak, "told": told}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(Path(sys.argv[1]).read_text())["command"])))
