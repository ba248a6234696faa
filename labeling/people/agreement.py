"""How far labelers agree with each other: the paper's rate, and Krippendorff's α, which takes off
what chance would agree on. Pure functions.

Rankings of one task share its completions, so tasks are the independent units of every interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from labeling.intervals import Clusters, Floats, Interval, Spread, share, spread_of

PAPER = 0.726
"""Between training labelers, Ouyang et al. 2022, section 3.4; ± 0.015."""


@dataclass(frozen=True)
class Agreement:
    """Of `total` comparisons that two labelers of a task made, they agreed on `agreed`."""

    agreed: int
    total: int

    @property
    def rate(self) -> float | None:
        """The share agreed on, 0 to 1; None without comparisons."""
        return self.agreed / self.total if self.total else None

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.agreed + other.agreed, self.total + other.total)


@dataclass(frozen=True)
class TasksAgreement:
    """What several tasks tell of agreement, one entry a task that has comparisons."""

    tasks: Sequence[Agreement]

    @property
    def agreed(self) -> int:
        """Comparisons agreed on."""
        return sum(task.agreed for task in self.tasks)

    @property
    def total(self) -> int:
        """Comparisons that two labelers made."""
        return sum(task.total for task in self.tasks)

    @property
    def rate(self) -> float | None:
        """The share agreed on, 0 to 1; None without comparisons."""
        return self.agreed / self.total if self.total else None

    @property
    def interval(self) -> Interval | None:
        """The rate with its 95 % interval, clustered by task; None without comparisons."""
        rate, count = self.rate, len(self.tasks)
        if rate is None:
            return None
        if count < 2:
            return Interval(rate, 0.0, 1.0)
        influence = np.array([task.agreed - rate * task.total for task in self.tasks]) / self.total
        return share(rate, spread_of(influence, Clusters.of(range(count))), count)


def between(first: Sequence[int], second: Sequence[int]) -> Agreement:
    """Two rankings of the same completions (1 = best), on the pairs that neither ties."""
    agreed = total = 0
    for a, b in combinations(range(len(first)), 2):
        product = (first[a] - first[b]) * (second[a] - second[b])
        agreed += product > 0
        total += product != 0
    return Agreement(agreed, total)


def among(rankings: Iterable[Sequence[int]]) -> Agreement:
    """All pairs of labelers who ranked the same completions, added up."""
    return sum((between(a, b) for a, b in combinations(rankings, 2)), Agreement(0, 0))


def across(tasks: Iterable[Agreement]) -> TasksAgreement:
    """The tasks that have comparisons, together."""
    return TasksAgreement([task for task in tasks if task.total])


def ordinal_alpha(units: Iterable[Sequence[float]]) -> float | None:
    """Krippendorff's α of ordinal values: each unit's are what its coders said, as many as did.

    1 where all coders agree, 0 where they agree as chance would. None where no unit has two values,
    or where all values are one, which tells nothing. (Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability".)
    """
    kept = [unit for unit in units if len(unit) > 1]
    values = sorted({value for unit in kept for value in unit})
    return _alpha(_coincidences(kept, values))


def ranking_alpha(tasks: Sequence[Sequence[Sequence[int]]]) -> Interval | None:
    """α of rankings with its 95 % interval, by the jackknife over tasks; None where there is none.

    `tasks` [task][labeler][completion] are ranks, 1 the best, equal ones ties. A completion is a
    unit, a labeler's value its mean rank among the task's K completions as a share of K, so that
    neither ties nor K move the scale. One task leaves the interval open.
    """
    units = [_units(rankings) for rankings in tasks if len(rankings) > 1]
    values = sorted({value for task in units for unit in task for value in unit})
    table = _coincidences((unit for task in units for unit in task), values)
    alpha, count = _alpha(table), len(units)
    if alpha is None:
        return None
    if count < 2:
        return Interval(alpha, -1.0, 1.0)
    without = (_alpha(table - _coincidences(task, values)) for task in units)
    left = np.array([alpha if one is None else one for one in without])
    variance = float(((left - left.mean()) ** 2).sum()) * (count - 1) / count
    found = Spread(variance, count - 1).around(alpha)
    return Interval(alpha, max(-1.0, found.low), min(1.0, found.high))


def _units(rankings: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
    """What each completion got from each labeler: its mean rank less ½, as a share of K."""
    placed = []
    for ranks in rankings:
        better = [sum(other < rank for other in ranks) for rank in ranks]
        tied = [sum(other == rank for other in ranks) for rank in ranks]
        placed.append([(b + t / 2) / len(ranks) for b, t in zip(better, tied, strict=True)])
    return list(zip(*placed, strict=True))


def _coincidences(units: Iterable[Sequence[float]], values: Sequence[float]) -> Floats:
    """How often two coders of a unit gave each pair of values, a unit of m values counting m."""
    place = {value: number for number, value in enumerate(values)}
    table = np.zeros((len(values), len(values)))
    for unit in units:
        counts = np.bincount([place[value] for value in unit], minlength=len(values)).astype(float)
        table += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    return table


def _alpha(table: Floats) -> float | None:
    """1 less observed over expected disagreement, in the ordinal metric of these coincidences."""
    counts = table.sum(axis=1)
    # What lies between two values, both ends by half: (Σ n from c to k) - (n_c + n_k) / 2.
    middle = np.cumsum(counts) - counts / 2
    distances = (middle[:, None] - middle[None, :]) ** 2
    expected = float(counts @ distances @ counts)
    if not expected:
        return None
    return float(1 - (counts.sum() - 1) * (table * distances).sum() / expected)
