"""How fast completions are sampled on this machine: our loop beside transformers' `generate()`.

Eight prompts, K completions each, 64 new tokens, temperature 1, no top-k, on the packaged model;
each way in a process of its own. Ours is also given as a share of the floor: 2·N operations a
token at the measured float32 matrix rate, and at least one pass over the weights a step at the
measured read bandwidth. Run on a quiet machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from machine import measure_machine, run_contender

NEW_TOKENS = 64
WAYS = ("ours", "ours_float16", "batched", "per_prompt")

Result = dict[str, Any]


def main() -> None:
    options = _options()
    machine = measure_machine()
    with tempfile.TemporaryDirectory() as scratch:
        model = str(options.model or Path(scratch) / "base")
        if options.model is None:
            run_contender(sys.executable, "contenders/packaged.py", {"folder": model})
        figures = {
            "benchmark": "sampling",
            "machine": machine,
            "k": {k: _compare(model, k, machine, options.repeats) for k in options.k},
            "rows_that_end": _ends(model, options.repeats),
        }
    print(json.dumps(figures))


def _options() -> Namespace:
    parser = ArgumentParser(description="Sampling speed, as ratios in one run.")
    parser.add_argument("--model", type=Path, help="checkpoint folder; default: packaged model")
    parser.add_argument("--k", type=int, nargs="+", default=[4, 8], help="completions a prompt")
    parser.add_argument("--repeats", type=int, default=2, help="the fastest of so many counts")
    return parser.parse_args()


def _run(model: str, way: str, k: int, repeats: int, ends: bool) -> Result:
    job = {"model": model, "way": way, "k": k, "repeats": repeats, "ends": ends}
    result = run_contender(sys.executable, "contenders/sampler.py", job)
    print(f"K={k} {way}: {result['tokens_per_second']:.0f} tokens/s", file=sys.stderr)
    return result


def _compare(model: str, k: int, machine: dict[str, float], repeats: int) -> Result:
    """Every way at one K, every row of full length."""
    rows = {way: _run(model, way, k, repeats, ends=False) for way in WAYS}
    rates = {way: row["tokens_per_second"] for way, row in rows.items()}
    return {
        **rows,
        "times_per_prompt": rates["ours"] / rates["per_prompt"],
        "times_batched": rates["ours"] / rates["batched"],
        "float16_times_batched": rates["ours_float16"] / rates["batched"],
        "share_of_floor": _floor_seconds(rows["ours"], k, machine) / min(rows["ours"]["seconds"]),
    }


def _ends(model: str, repeats: int) -> Result:
    """What dropping finished rows brings; tokens after a row's end count for nobody."""
    rows = {way: _run(model, way, 4, repeats, ends=True) for way in ("ours", "batched")}
    ratio = rows["ours"]["tokens_per_second"] / rows["batched"]["tokens_per_second"]
    return {**rows, "times_batched": ratio}


def _floor_seconds(row: Result, k: int, machine: dict[str, float]) -> float:
    """The least time for one prefill a prompt and NEW_TOKENS steps over all rows."""
    rate, bandwidth = machine["matrix_gflops"] * 1e9, machine["read_gb_per_second"] * 1e9
    prefill = 2 * row["body"] * sum(row["prompt_tokens"]) / rate
    rows = k * len(row["prompt_tokens"])
    step = max(2 * row["weights"] * rows / rate, 4 * row["weights"] / bandwidth)
    return prefill + NEW_TOKENS * step


if __name__ == "__main__":
    main()
