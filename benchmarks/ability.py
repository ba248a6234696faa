"""Benchmark `ability`: abilities of a drawn crew from a million comparisons, and some more.

The last line is one JSON object: seconds of the first fit, of one that begins there with a tenth
more comparisons, and how far the abilities lie from the true ones.

    make bench NAME=ability
    .venv/bin/python benchmarks/ability.py --comparisons 100000
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labeling.people.ability import Fit, fit
from labeling.simulation.crews import Comparisons, Kind, draw


def main() -> None:
    parser = ArgumentParser(description="How long abilities take.")
    parser.add_argument("--comparisons", type=int, default=1_000_000)
    parser.add_argument("--labelers", type=int, default=500)
    options = parser.parse_args()
    crew = [Kind.SPAMMER if n % 10 == 0 else Kind.HONEST for n in range(options.labelers)]
    drawn = draw(crew, each=options.comparisons // options.labelers, overlap=2)
    first, first_s = _timed(drawn, options.labelers, slice(0, None, 1), None)
    part, _ = _timed(drawn, options.labelers, drawn.at % 10 != 0, None)
    _, more_s = _timed(drawn, options.labelers, slice(0, None, 1), part)
    spammers = np.arange(options.labelers) % 10 == 0
    found = {
        "comparisons": len(drawn.labelers),
        "labelers": options.labelers,
        "first_s": round(first_s, 1),
        "rounds": first.rounds,
        "tenth_more_s": round(more_s, 1),
        "ability_of_spammers": round(float(first.abilities[spammers].mean()), 3),
        "ability_of_others": round(float(first.abilities[~spammers].mean()), 3),
    }
    print(json.dumps({"benchmark": "ability", **found}))


def _timed(drawn: Comparisons, crew: int, which: object, before: Fit | None) -> tuple[Fit, float]:
    began = time.perf_counter()
    low = np.minimum(drawn.firsts, drawn.others)
    said = (drawn.winners == low, low // 2, drawn.labelers)
    found = fit(*(column[which] for column in said), crew=crew, before=before)
    return found, time.perf_counter() - began


if __name__ == "__main__":
    main()
