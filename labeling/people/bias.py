"""What leans the answers of a crew that should not: place on the page, order of rating, length.
Pure.

Completions are shown in random order, so the one shown first is the better one half of the time,
and a share that is surely not one half is a bias. Longer answers may be better ones: that share is
told, but it raises no alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil

import numpy as np

from labeling.intervals import Clusters, Interval, Spread, mean, rate, spread_of

_Z99 = 2.5758293035489004
"""Alarm is given outside of 99 %: two leanings are looked at, and 95 of 100 clean crews stay
clean."""
_Z80 = 0.8416212335729143
POINTS = 0.03
"""The bias that one would not want to miss, as a share."""


@dataclass(frozen=True)
class Shown:
    """One ranking, its completions in the order in which they were shown and rated: ranks (1 the
    best), lengths in characters, and ratings from 1 to 7 where there are any."""

    task: int
    ranks: Sequence[int]
    lengths: Sequence[int]
    ratings: Sequence[int | None]


@dataclass(frozen=True)
class Leaning:
    """A share of comparisons, or a mean in points of rating, with its 95 % interval; `even` is
    what it would be without a bias.

    `needed` is how many comparisons find a bias of three points four times in five; None where it
    is no share. `is_alarming` says that there surely is one.
    """

    name: str
    interval: Interval | None
    even: float
    comparisons: int
    needed: int | None
    is_alarming: bool


def audit(rankings: Sequence[Shown]) -> list[Leaning]:
    """The leanings of these rankings, tasks being what is independent."""
    pairs = [
        (shown.task, shown.ranks[a] < shown.ranks[b], shown.lengths[a] - shown.lengths[b])
        for shown in rankings
        for a, b in combinations(range(len(shown.ranks)), 2)
        if shown.ranks[a] != shown.ranks[b]
    ]
    longer = [(task, first == (more > 0)) for task, first, more in pairs if more]
    return [
        _share("position", [(task, first) for task, first, _ in pairs], alarms=True),
        _ratings(rankings),
        _share("length", longer, alarms=False),
    ]


def comparisons_needed(points: float = POINTS, inflation: float = 1.0) -> int:
    """How many comparisons find a share of ½ + `points` four times in five, where the variance is
    `inflation` times that of independent ones."""
    return ceil(inflation * ((_Z99 + _Z80) / points) ** 2 / 4)


def _share(name: str, said: Sequence[tuple[int, bool]], *, alarms: bool) -> Leaning:
    values = [float(yes) for _, yes in said]
    clusters = Clusters.of([task for task, _ in said])
    found = rate(values, clusters)
    if found is None or clusters.count < 2:
        return Leaning(name, found, 0.5, len(values), None, False)
    spread = _spread(values, clusters)
    usual = found.estimate * (1 - found.estimate) / len(values)
    needed = comparisons_needed(inflation=max(1.0, spread.variance / usual) if usual else 1.0)
    is_alarming = alarms and _surely_off(found.estimate - 0.5, spread)
    return Leaning(name, found, 0.5, len(values), needed, is_alarming)


def _ratings(rankings: Sequence[Shown]) -> Leaning:
    """How much higher a completion is rated than one that was rated later, on average."""
    said = [
        (shown.task, float(first - second))
        for shown in rankings
        for first, second in combinations(shown.ratings, 2)
        if first is not None and second is not None
    ]
    values, clusters = [value for _, value in said], Clusters.of([task for task, _ in said])
    found = mean(values, clusters)
    sure = (
        found is not None
        and clusters.count > 1
        and _surely_off(found.estimate, _spread(values, clusters))
    )
    return Leaning("rating order", found, 0.0, len(values), None, sure)


def _spread(values: Sequence[float], clusters: Clusters) -> Spread:
    data = np.asarray(values, float)
    return spread_of((data - data.mean()) / len(data), clusters)


def _surely_off(distance: float, spread: Spread) -> bool:
    return abs(distance) > _Z99 * spread.variance**0.5
