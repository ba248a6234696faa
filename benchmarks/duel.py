"""Ours against TRL's: the contenders in turn on one workload, and what is said of them.

Contenders run one after another, ours before and after TRL's, so that a machine whose speed drifts
favours nobody. A time is the fastest step's: what disturbs a measurement only ever adds to it.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from environment import ROOT, trl_python
from machine import run_contender

Result = dict[str, Any]
Job = Mapping[str, Any]


def parser(description: str | None) -> ArgumentParser:
    """The options of every duel: `--quick` for the tiny model, to see that the benchmark works."""
    options = ArgumentParser(description=description)
    options.add_argument("--quick", action="store_true", help="the tiny model, for a try")
    return options


def prepare(name: str, model: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Checkpoints, snapshot and token ids for rows of these lengths (contenders/workload.py)."""
    job = {"folder": str(ROOT / "var" / "bench" / name), "model": model, "rows": rows}
    return run_contender(sys.executable, "contenders/workload.py", job)


def duel(work: Job, ours: Mapping[str, Job], trl: Job, version: str) -> dict[str, Result]:
    """Run all on the prepared workload: each of `ours` by its name, and TRL's as "trl".

    A job adds to the workload's places what its contender needs, and for ours `floor_flops`: the
    operations that a step cannot do without.
    """
    python = trl_python(version)
    first = {name: _run_ours(name, {**work, **job}) for name, job in ours.items()}
    theirs = _run(python, "contenders/trl_trainers.py", {**work, **trl})
    results = {"trl": theirs}
    for name, job in ours.items():
        both = _merge(first[name], _run_ours(name, {**work, **job}))
        results[name] = {**_compare(both, theirs), "floor_gflop": job["floor_flops"] / 1e9, **both}
    return results


def _run_ours(name: str, job: Job) -> Result:
    return _run(sys.executable, "contenders/tutelage.py", job, name)


def _run(python: Path | str, script: str, job: Job, name: str = "trl") -> Result:
    """One contender, with a line on standard error; standard output is for the result."""
    result = run_contender(python, script, dict(job))
    seconds = [step["seconds"] for step in result["steps"]]
    clock = time.strftime("%H:%M:%S")
    print(clock, name, "seconds a step:", seconds, result["peak_mb"], "MB", file=sys.stderr)
    return result


def _merge(first: Result, second: Result) -> Result:
    return {
        "steps": first["steps"] + second["steps"],
        "peak_mb": max(first["peak_mb"], second["peak_mb"]),
        "load": max(first["load"], second["load"]),
    }


def _compare(ours: Result, trl: Result) -> dict[str, float]:
    """How many times faster ours is, by the clock and by processor time, and its memory share."""
    return {
        "speedup": round(best(trl) / best(ours), 2),
        "speedup_cpu_time": round(best(trl, "cpu_seconds") / best(ours, "cpu_seconds"), 2),
        "memory_share": round(ours["peak_mb"] / trl["peak_mb"], 3),
    }


def add_floor_shares(results: dict[str, Result], machine: dict[str, float]) -> None:
    """Note which share of its time each of ours could not do without at the machine's rate."""
    for result in results.values():
        if "floor_gflop" in result:
            least = result["floor_gflop"] / machine["matrix_gflops"]
            result["share_of_floor"] = round(least / best(result), 3)


def best(result: Result, key: str = "seconds") -> float:
    """The fastest step's."""
    return min(step[key] for step in result["steps"])
