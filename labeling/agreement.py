"""How far labelers agree with each other. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

PAPER = 0.726
"""Between training labelers, Ouyang et al. 2022, section 3.4; ± 0.015."""
_Z = 1.96  # of a normal distribution, 95 % within


@dataclass(frozen=True)
class Agreement:
    """Of `total` comparisons that two labelers made, they agreed on `agreed`."""

    agreed: int
    total: int

    @property
    def rate(self) -> float | None:
        """The share agreed on, 0 to 1; None without comparisons."""
        return self.agreed / self.total if self.total else None

    @property
    def error(self) -> float | None:
        """Standard error of the rate (binomial), as the paper's ± in section 3.4."""
        if not self.total:
            return None
        rate = self.agreed / self.total
        return sqrt(rate * (1 - rate) / self.total)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the rate (Wilson 1927), comparisons taken as independent."""
        if self.rate is None:
            return None
        weight = _Z**2 / self.total
        middle = (self.rate + weight / 2) / (1 + weight)
        reach = _Z / (1 + weight)
        reach *= sqrt(self.rate * (1 - self.rate) / self.total + weight / (4 * self.total))
        return middle - reach, middle + reach

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.agreed + other.agreed, self.total + other.total)


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
