"""How often win rates' 95 % intervals hold the truth, and how often they tell a better version.

A hundred prompts, one or two labels each, by 2 to 20 labelers; log-odds of a prompt vary by 2.5, so
that two labels of it correlate by 0.45, and about one label in eight is a tie. Labelers do not
differ, or their own log-odds vary by 0.5. The truth is what other prompts and labelers would say.
Prints tables in Markdown, the same for agreement between labelers, and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from environment import ROOT

sys.path.insert(0, str(ROOT))

from labeling.intervals import Clusters, rate
from labeling.people.agreement import across, among, ranking_alpha

PROMPTS, PROMPT_SPREAD, TIE = 100, 2.5, 0.4
LABELERS, LABELS, EFFECTS = (2, 3, 4, 5, 8, 20, 40), (1, 2), (0.0, 0.5)
BETTER = 1.25  # log-odds of a version that wins 66 % of comparisons
TASKS, RANKERS, COMPLETIONS = 40, (2, 3), (4, 9)


class Design:
    """Which labeler labels which prompt: shares as even as can be, drawn anew by each seed."""

    def __init__(self, labelers: int, each: int, chance: np.random.Generator) -> None:
        self.labelers = labelers
        self.prompts = np.repeat(np.arange(PROMPTS), each)
        given = np.zeros(labelers)
        who = []
        for _ in range(PROMPTS):
            least = np.lexsort((chance.random(labelers), given))[:each]
            given[least] += 1
            who.extend(least)
        self.who = np.array(who)
        self.clusters = Clusters.of(self.prompts, self.who)

    def outcomes(
        self, effect: float, shift: float, runs: int, chance: np.random.Generator
    ) -> np.ndarray:
        """[runs, labels] of 1, ½ and 0: new prompts, labelers and noise in every row."""
        leaning = (
            shift
            + chance.normal(0, PROMPT_SPREAD, (runs, PROMPTS))[:, self.prompts]
            + chance.normal(0, 1, (runs, self.labelers))[:, self.who] * effect
            + chance.logistic(0, 1, (runs, len(self.prompts)))
        )
        return np.where(np.abs(leaning) < TIE, 0.5, (leaning > 0).astype(float))


def bounds(outcomes: Iterable[Sequence[float]], clusters: Clusters) -> np.ndarray:
    """[runs, 2]: the interval of each row."""
    found = (rate(row, clusters) for row in outcomes)
    return np.array([(one.low, one.high) for one in found if one])


def cell(labelers: int, each: int, effect: float, draws: int) -> dict[str, float]:
    """Coverage of an even version; the power and the median width for a better one."""
    chance = np.random.default_rng([labelers, each, int(10 * effect)])
    design = Design(labelers, each, chance)
    even = bounds(design.outcomes(effect, 0, draws, chance), design.clusters)
    better = bounds(design.outcomes(effect, BETTER, draws, chance), design.clusters)
    return {
        "labels": each,
        "labelers": labelers,
        "effect": effect,
        "coverage": float(np.mean((even[:, 0] <= 0.5) & (even[:, 1] >= 0.5))),
        "power": float(np.mean(better[:, 0] > 0.5)),
        "half_width": float(np.median(better[:, 1] - better[:, 0]) / 2),
    }


def rankings(labelers: int, completions: int, chance: np.random.Generator) -> list[list[int]]:
    """What labelers say of one task's completions, some of them nearly as good as others."""
    quality = chance.normal(0, 1, completions) * chance.gamma(2, 0.5)
    seen = quality + chance.normal(0, 1, (labelers, completions))
    return (seen.argsort(axis=1).argsort(axis=1) + 1).tolist()


def agreement(labelers: int, completions: int, draws: int) -> dict[str, float]:
    """Coverage of the rate of agreement, clustered by task and not, and of Krippendorff's α."""
    chance = np.random.default_rng([labelers, completions])
    true_rate = across(among(rankings(2, completions, chance)) for _ in range(20_000)).rate
    true_alpha = ranking_alpha([rankings(2, completions, chance) for _ in range(20_000)])
    assert true_rate is not None and true_alpha is not None
    held: dict[str, list[bool]] = {"rate": [], "independent": [], "alpha": []}
    for _ in range(draws):
        tasks = [rankings(labelers, completions, chance) for _ in range(TASKS)]
        found = across(map(among, tasks))
        interval, alpha = found.interval, ranking_alpha(tasks)
        assert interval is not None and alpha is not None
        error = (interval.estimate * (1 - interval.estimate) / found.total) ** 0.5
        held["rate"].append(interval.low <= true_rate <= interval.high)
        held["independent"].append(abs(interval.estimate - true_rate) <= 1.96 * error)
        held["alpha"].append(alpha.low <= true_alpha.estimate <= alpha.high)
    shares = {name: float(np.mean(hits)) for name, hits in held.items()}
    return {"labelers": labelers, "completions": completions, "true_rate": true_rate, **shares}


def table(cells: Sequence[dict[str, float]], figure: str) -> str:
    """One figure of all cells in Markdown: a row a design, a column a number of labelers."""
    shown: Callable[[float], str] = "{:.3f}".format
    lines = [
        "| labels a pair, effect | " + " | ".join(map(str, LABELERS)) + " |",
        "|---|" + "---|" * len(LABELERS),
    ]
    for each in LABELS:
        for effect in EFFECTS:
            row = [
                shown(one[figure])
                for one in cells
                if (one["labels"], one["effect"]) == (each, effect)
            ]
            lines.append(f"| {each}, {effect:g} logits | " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> None:
    """Every cell in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000, help="data sets drawn for each cell")
    draws = parser.parse_args().draws
    begin = time.perf_counter()
    cells = [
        cell(labelers, each, effect, draws)
        for each in LABELS
        for effect in EFFECTS
        for labelers in LABELERS
    ]
    for figure in ("coverage", "power", "half_width"):
        print(f"{figure} by number of labelers\n\n{table(cells, figure)}\n")
    agreed = [agreement(people, k, draws // 4) for people in RANKERS for k in COMPLETIONS]
    print("coverage of agreement, 40 tasks\n")
    print("| labelers a task, K | by task | pairs as independent | α |\n|---|---|---|---|")
    for one in agreed:
        shares = " | ".join(f"{one[name]:.3f}" for name in ("rate", "independent", "alpha"))
        print(f"| {one['labelers']}, {one['completions']} | {shares} |")
    print(
        json.dumps(
            {
                "benchmark": "coverage",
                "draws": draws,
                "seconds": round(time.perf_counter() - begin, 1),
                "cells": cells,
                "agreement": agreed,
            }
        )
    )


if __name__ == "__main__":
    main()
