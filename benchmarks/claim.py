"""Does a claim stay as fast when a hundred times as much waits?

One annotator claims and submits over HTTP with 10,000 prompts waiting and with 1,000,000, each in
an installation of its own (benchmark `web` with one annotator), turn about, so that what else the
machine does meets both. `ratio` is the median claim with many by that with few. The plan of the
query for the next slot goes to stderr, with many. The first run fills a database of some gigabytes.

    make bench NAME=claim
    .venv/bin/python benchmarks/claim.py --many 100000
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

WEB = Path(__file__).with_name("web.py")


def main() -> None:
    options = _options()
    sizes = (options.few, options.many)
    turns = [{size: _claims(size, options.seconds) for size in sizes} for _ in range(options.turns)]
    medians = {size: statistics.median(turn[size]["p50"] for turn in turns) for size in sizes}
    figures = {
        "benchmark": "claim",
        "cores": os.cpu_count(),
        "claim_ms": {size: [turn[size] for turn in turns] for size in sizes},
        "ratio": round(medians[options.many] / medians[options.few], 3),
    }
    print(json.dumps(figures))


def _options() -> Namespace:
    parser = ArgumentParser(description="The median claim with many prompts by that with few.")
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=2, help="of each size")
    parser.add_argument("--seconds", type=float, default=15.0, help="measured each turn")
    return parser.parse_args()


def _claims(prompts: int, seconds: float) -> dict[str, Any]:
    """p50, p95 and p99 of a claim in milliseconds."""
    size = ["--prompts", str(prompts), "--annotators", "1", "--seconds", str(seconds), "--plan"]
    done = subprocess.run([sys.executable, WEB, *size], stdout=subprocess.PIPE, check=True)
    crowd = json.loads(done.stdout.splitlines()[-1])["annotators"]["1"]
    return dict(crowd["claim_ms"])


if __name__ == "__main__":
    main()
