"""Kendall's τ-b and Cohen's κ: what two labelers' judgments have to do with each other. Pure.

τ-b compares whole rankings and counts a tie as neither agreement nor its opposite; κ takes off
what two labelers with these habits would agree on by chance, over verdicts better, tied, worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt

import numpy as np

from labeling.intervals import Clusters, Floats, Interval, jackknife, mean

_VERDICTS = 3


def kendall_tau_b(first: Sequence[int], second: Sequence[int]) -> float | None:
    """From -1 (turned around) to 1; None where either ties everything. (Kendall 1945, "The
    Treatment of Ties in Ranking Problems".)"""
    one, other = _signs(first), _signs(second)
    strict = float((one**2).sum() * (other**2).sum())
    return float(one @ other) / sqrt(strict) if strict else None


def ranking_tau(tasks: Sequence[Sequence[Sequence[int]]]) -> Interval | None:
    """Mean τ-b over the pairs of labelers of each task, its 95 % interval clustered by task.

    `tasks` [task][labeler][completion] are ranks, 1 the best. None where no pair tells it.
    """
    found = [
        (number, tau)
        for number, rankings in enumerate(tasks)
        for first, second in combinations(rankings, 2)
        if (tau := kendall_tau_b(first, second)) is not None
    ]
    interval = mean([tau for _, tau in found], Clusters.of([number for number, _ in found]))
    if interval is None:
        return None
    if len({number for number, _ in found}) < 2:
        return Interval(interval.estimate, -1.0, 1.0)
    return Interval(interval.estimate, max(-1.0, interval.low), min(1.0, interval.high))


def cohen_kappa(tables: Sequence[Floats]) -> Interval | None:
    """κ of two labelers with its 95 % interval, by the jackknife over tasks. (Cohen 1960.)

    Each task's table [verdict, verdict] counts what both said of its pairs. None where both always
    say one and the same, which tells nothing. One task leaves the interval open.
    """
    total = np.sum(tables, axis=0) if len(tables) else np.zeros((_VERDICTS, _VERDICTS))
    kappa = _kappa(total)
    if kappa is None:
        return None
    if len(tables) < 2:
        return Interval(kappa, -1.0, 1.0)
    without = [_kappa(total - table) for table in tables]
    found = jackknife([kappa if one is None else one for one in without]).around(kappa)
    return Interval(kappa, max(-1.0, found.low), min(1.0, found.high))


def verdicts(first: Sequence[int], second: Sequence[int]) -> Floats:
    """Of two rankings of the same completions: how often the pairs got each pair of verdicts, from
    worse over tied to better, float64 [3, 3]."""
    table = np.zeros((_VERDICTS, _VERDICTS))
    np.add.at(table, (_signs(first).astype(int) + 1, _signs(second).astype(int) + 1), 1)
    return table


def _signs(ranks: Sequence[int]) -> Floats:
    """1 for each pair whose first completion is better, -1 whose second is, 0 for a tie."""
    pairs = np.array([*combinations(ranks, 2)], float).reshape(-1, 2)
    return np.sign(pairs[:, 1] - pairs[:, 0])


def _kappa(table: Floats) -> float | None:
    total = table.sum()
    if not total:
        return None
    chance = float(table.sum(axis=0) @ table.sum(axis=1)) / total**2
    return float((np.trace(table) / total - chance) / (1 - chance)) if chance < 1 else None
