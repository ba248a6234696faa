"""How many prompts a head-to-head needs, and what so many prompts and labelers can tell. Pure.

A plan expects the spread that `labeling.intervals` will find: with labelers who differ by as much
as they were seen to, and with the noise in what will be seen of their differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from statistics import NormalDist, fmean
from typing import Any

from labeling.intervals import Spread, with_labelers

WIDTHS = (0.1, 0.05, 0.03)
CORRELATION = 0.45
"""Of two labels of one pair: the paper's labelers agree on 72.6 %, and 2 · 0.726 - 1 is 0.45."""
LABELER_EFFECT = 0.3
"""The standard deviation of a labeler's own log-odds of preferring a version. In public data it is
0.45 among the 16 evaluators of Tulu (Wang et al. 2023) and 0.1 among the three whom PandaLM's
authors trained (Wang et al. 2024)."""
MOST_PROMPTS = 1_000_000

_NORMAL = NormalDist()
_CHANCES = [(place + 0.5) / 40 for place in range(40)]


@dataclass(frozen=True)
class Plan:
    """What is asked of whom. `labels` of every pair by one group of so many `labelers`, who differ
    by `labeler_effect` log-odds; `rate` is the true win rate to be told from even, with the chance
    `power`. From one labeler nothing is said about others."""

    versions: int = 2
    prompts: int = 100
    labels: int = 1
    pairs: str = "baseline"
    rate: float = 0.6
    power: float = 0.8
    labelers: int = 1
    labeler_effect: float = LABELER_EFFECT


def plan(wanted: Plan) -> dict[str, Any]:
    """The half-width and the power there would be, the prompts that are needed, and the work.

    Of prompts None is needed where no number of them is enough for so few labelers.
    """
    meetings = wanted.versions - 1
    if wanted.pairs == "all":
        meetings = wanted.versions * meetings // 2
    people = People(wanted.labels, wanted.labelers, wanted.labeler_effect)
    return {
        "half_width": half_width(wanted.prompts, people),
        "power": power(wanted.prompts, people, wanted.rate),
        "prompts_needed": prompts_for_power(wanted.rate, people, wanted.power),
        "prompts_for_half_width": {f"{width:g}": prompts_needed(width, people) for width in WIDTHS},
        "comparisons": wanted.prompts * meetings * wanted.labels,
        "assumed": {
            "rate": wanted.rate,
            "power": wanted.power,
            "correlation": CORRELATION,
            "labelers": people.count,
            "labeler_effect": wanted.labeler_effect,
        },
    }


@dataclass(frozen=True)
class People:
    """Who labels: so many labels of every pair, by how many labelers, who differ by `effect`
    (standard deviation, log-odds). Two labels of one pair correlate by `correlation`."""

    labels_each: int = 1
    labelers: int = 1
    effect: float = LABELER_EFFECT
    correlation: float = CORRELATION

    @property
    def count(self) -> int:
        """Labelers, at least as many as every pair has labels, for nobody gives two of them."""
        return max(self.labelers, self.labels_each)


def half_width(prompts: int, people: People) -> float:
    """Half of the 95 % interval of a win rate near one half: half of such intervals are narrower.

    Labels of one prompt correlate, so the second one adds less than a second prompt would.
    """
    return _Outlook(prompts, people, 0.5).seen(0.5).reach if prompts > 1 else inf


def prompts_needed(width: float, people: People) -> int | None:
    """The fewest prompts whose half-width is not above `width`; None where there are none."""
    return _fewest(lambda prompts: half_width(prompts, people) <= width)


def power(prompts: int, people: People, rate: float) -> float:
    """The chance, 0 to 1, that the interval of a version whose true win rate is `rate` excludes ½.

    The mean over what may be seen of the labelers' differences. Ties, which lower the variance,
    are not counted on.
    """
    outlook = _Outlook(prompts, people, rate)
    error = sqrt(outlook.variance)
    return fmean(
        _NORMAL.cdf((abs(rate - 0.5) - outlook.seen(chance).reach) / error) for chance in _CHANCES
    )


def prompts_for_power(rate: float, people: People, wanted: float = 0.8) -> int | None:
    """The fewest prompts at which `power` is what is wanted; None where there are none.

    `rate` must not be ½.
    """
    return _fewest(lambda prompts: power(prompts, people, rate) >= wanted)


class _Outlook:
    """What a head-to-head may see of a win rate whose true value is `rate`."""

    def __init__(self, prompts: int, people: People, rate: float) -> None:
        single, each, count = rate * (1 - rate), people.labels_each, people.count
        shared = 1 + (each - 1) * people.correlation
        self.prompts = Spread(single * shared / each / prompts, prompts - 1)
        self.freedom = count - 1
        # What all labels say about one labeler: compared within prompts (the efficiency factor of
        # incomplete blocks, Yates 1936) and, with the rest, across prompts.
        within = count * (each - 1) / (each * (count - 1)) if count > 1 else 0.0
        information = (within / (1 - people.correlation) + (1 - within) / shared) / single
        # A labeler's log-odds move the rate by p(1 - p), less what is settled by the prompt.
        differ = (people.effect * single * (1 - people.correlation)) ** 2
        labels = prompts * each
        added = max(1 / count - 1 / labels, 0.0)
        self.noise = added * count / (labels * information)
        self.ratio = 1 + differ * labels * information / count
        self.variance = self.prompts.variance + (added * differ if count > 1 else 0.0)

    def seen(self, chance: float) -> Spread:
        """The spread that will be found, of all that may be, at this quantile of the ratio."""
        if not self.freedom:
            return self.prompts
        return with_labelers(
            self.prompts, self.noise, self.ratio * _chi_square(self.freedom, chance), self.freedom
        )


def _chi_square(freedom: int, chance: float) -> float:
    """A quantile of χ² over its degrees of freedom (Wilson and Hilferty 1931; exact for one)."""
    if freedom == 1:
        return _NORMAL.inv_cdf((1 + chance) / 2) ** 2
    width = 2 / (9 * freedom)
    return max(1 - width + _NORMAL.inv_cdf(chance) * sqrt(width), 0.0) ** 3


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """The fewest prompts, from two, that are enough; None where `MOST_PROMPTS` are not."""
    low, high = 1, 2
    while not enough(high):
        if high >= MOST_PROMPTS:
            return None
        low, high = high, min(2 * high, MOST_PROMPTS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
