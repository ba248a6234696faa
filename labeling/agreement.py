"""How far labelers agree with each other. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt


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
