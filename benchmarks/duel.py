"""Ours against TRL's: the two contenders in turn on one workload, and what is said of them.

Contenders run one after another, ours before and after TRL's, so that a machine whose speed drifts
favours nobody. A time is the fastest step's: what disturbs a measurement only ever adds to it.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from environment import ROOT, trl_python
from machine import run_contender

Result = dict[str, Any]


def quick_option(description: str) -> bool:
    """Whether `--quick` was given: the tiny model, to see that the benchmark works."""
    parser = ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="the tiny model, for a try")
    return parser.parse_args().quick


def prepare(name: str, model: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Checkpoints, snapshot and token ids for rows of these lengths (contenders/workload.py)."""
    job = {"folder": str(ROOT / "var" / "bench" / name), "model": model, "rows": rows}
    return run_contender(sys.executable, "contenders/workload.py", job)


def duel(
    work: dict[str, Any], ours: dict[str, Any], trl: dict[str, Any], version: str, flops: float
) -> dict[str, Any]:
    """Run both on the prepared workload; `flops` are the operations a step cannot do without.

    `ours` and `trl` add to the workload's places what the contenders' jobs need beside them.
    """
    python = trl_python(version)
    first = _run(sys.executable, "contenders/tutelage.py", work | ours)
    theirs = _run(python, "contenders/trl_trainers.py", work | trl)
    second = _run(sys.executable, "contenders/tutelage.py", work | ours)
    both = {
        "steps": first["steps"] + second["steps"],
        "peak_mb": max(first["peak_mb"], second["peak_mb"]),
        "load": max(first["load"], second["load"]),
    }
    return {**_compare(both, theirs), "floor_gflop": flops / 1e9, "tutelage": both, "trl": theirs}


def _run(python: Path | str, script: str, job: dict[str, Any]) -> Result:
    """One contender, with a line on standard error; standard output is for the result."""
    result = run_contender(python, script, job)
    seconds = [step["seconds"] for step in result["steps"]]
    print(time.strftime("%H:%M:%S"), script, "seconds a step:", seconds, file=sys.stderr)
    return result


def _compare(ours: Result, trl: Result) -> dict[str, float]:
    """How many times faster ours is, by the clock and by processor time, and its memory share."""
    return {
        "speedup": round(_best(trl) / _best(ours), 2),
        "speedup_cpu_time": round(_best(trl, "cpu_seconds") / _best(ours, "cpu_seconds"), 2),
        "memory_share": round(ours["peak_mb"] / trl["peak_mb"], 3),
    }


def add_floor_shares(figures: dict[str, Any], machine: dict[str, float]) -> None:
    """Note which share of each contender's time the machine's matrix rate could not do without."""
    least = figures["floor_gflop"] / machine["matrix_gflops"]
    for name in ("tutelage", "trl"):
        figures[f"{name}_share_of_floor"] = round(least / _best(figures[name]), 3)


def _best(result: Result, key: str = "seconds") -> float:
    return min(step[key] for step in result["steps"])
