"""How sure an estimate from labels is: 95 % intervals over clustered data. Pure numpy.

Labels of one prompt share texts and labels of one labeler share a taste, so neither are
independent, and what is asked is what *other* prompts and *other* labelers would say. The variance
of an estimate is V(prompts) + σ² · Σ (labels of a labeler)², where V(prompts) takes prompts as the
independent units (Cochran 1977, section 9A) and σ², the variance between labelers, is estimated by
the method of moments (Henderson 1953) in the model label = prompt + labeler + rest. Student's
quantile has Satterthwaite's (1946) degrees of freedom: near those of the prompts where labelers
do not differ, near those of the labelers where they do. docs/evaluation.md has the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gamma, inf, pi, sqrt, tan

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Ids = Sequence[int] | Sequence[int | str] | Integers

Z95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_SERIES_FROM = 200.0
_MOST_SHARED = 0.98
_ROUNDING = 1e-20  # a share's variance below it is none


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float

    @classmethod
    def holding(cls, estimate: float, low: float, high: float) -> Interval:
        """Bounds that are worked out otherwise than the estimate and may meet it: rounding, which
        is another on every processor, must not leave it outside."""
        return cls(estimate, min(low, estimate), max(high, estimate))

    def figure(self, count: int) -> dict[str, float]:
        """As results keep it: `{"value", "low", "high", "n"}`, n what it rests on."""
        return {"value": self.estimate, "low": self.low, "high": self.high, "n": count}


@dataclass(frozen=True)
class Clusters:
    """For each of N labels the number of its prompt and of its labeler, int64 [N] each."""

    prompts: Integers
    labelers: Integers

    @classmethod
    def of(cls, prompts: Ids, labelers: Ids | None = None) -> Clusters:
        """From ids of any kind; without labelers all labels are one's."""
        own = _numbered(prompts)
        return cls(own, np.zeros_like(own) if labelers is None else _numbered(labelers))

    @property
    def count(self) -> int:
        """How many prompts there are."""
        return _count(self.prompts)


@dataclass(frozen=True)
class Spread:
    """The variance of an estimate and the degrees of freedom that variance is known with."""

    variance: float
    freedom: float

    @property
    def reach(self) -> float:
        """Half the width of the 95 % interval."""
        return t95(self.freedom) * sqrt(self.variance)

    def around(self, estimate: float) -> Interval:
        """The interval, as far above the estimate as below."""
        return Interval(estimate, estimate - self.reach, estimate + self.reach)


def mean(values: Sequence[float], clusters: Clusters) -> Interval | None:
    """Mean of the labels' values with its interval; None of no label.

    The interval is the values' whole range while there is only one prompt.
    """
    if not len(values):
        return None
    data = np.asarray(values, float)
    if clusters.count < 2:
        return Interval.holding(float(data.mean()), float(data.min()), float(data.max()))
    return _spread_of_mean(data, clusters).around(float(data.mean()))


def rate(values: Sequence[float], clusters: Clusters) -> Interval | None:
    """Mean of values from 0 to 1, such as wins with ties as one half; the interval stays inside.

    None of no label; from 0 to 1 while there is only one prompt.
    """
    if not len(values):
        return None
    data = np.asarray(values, float)
    if clusters.count < 2:
        return Interval(float(data.mean()), 0.0, 1.0)
    return share(float(data.mean()), _spread_of_mean(data, clusters), clusters.count)


def share(estimate: float, spread: Spread, clusters: int) -> Interval:
    """The interval of a share, from 0 to 1, of outcomes in so many clusters.

    Wilson's (1927) with the number of independent outcomes that would be as uncertain (Korn and
    Graubard 1998): so few as to be all alike leave it open, where ± would say they are certain.
    """
    alike = spread.variance < _ROUNDING or not 0 < estimate < 1
    independent = clusters if alike else estimate * (1 - estimate) / spread.variance
    weight = t95(spread.freedom) ** 2 / independent
    middle = (estimate + weight / 2) / (1 + weight)
    reach = sqrt(weight * estimate * (1 - estimate) + weight**2 / 4) / (1 + weight)
    return Interval.holding(estimate, max(0.0, middle - reach), min(1.0, middle + reach))


def spread_of(influence: Floats, clusters: Clusters) -> Spread:
    """How far an estimate varies whose error is the sum of these influences, [N], one a label.

    From at least two prompts. From one labeler nothing can be said about others: the spread is
    then that over prompts.
    """
    prompts = Spread(_between(influence, clusters.prompts), clusters.count - 1)
    if prompts.variance == 0 or _count(clusters.labelers) < 2:
        return prompts
    return with_labelers(prompts, *_labelers(influence, clusters))


def with_labelers(prompts: Spread, noise: float, ratio: float, freedom: float) -> Spread:
    """The spread over prompts and labelers, from that over prompts alone.

    `noise` is the variance that labelers who do not differ would seem to add, `ratio` what they
    seem to add in units of it (an F statistic, 1 on average where they do not differ), with its
    degrees of freedom. V(prompts) contains the noise, so the labelers add noise · (ratio − 1),
    if that is positive.

    Satterthwaite's rule counts noise · ratio as uncertain, and covers 98 % where labelers do not
    differ because nothing negative is ever added. So up to half of the share of the noise in
    V(prompts) is taken off the ratio; not from two labelers, who tell too little for it.
    """
    variance = prompts.variance + noise * max(ratio - 1, 0.0)
    discount = min(noise / prompts.variance, 1.0) / 2 * min(freedom - 1, 1.0)
    uncertain = noise * max(ratio - discount, 0.0)
    found = variance**2 / (prompts.variance**2 / prompts.freedom + uncertain**2 / freedom)
    return Spread(variance, max(found, min(prompts.freedom, freedom)))


def t95(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, to 1e-11, for any degrees of freedom from one up.

    With t = √ν · tan θ the chance of 0 … t is C ∫ cos(φ)^(ν−1) dφ from 0 to θ, which Gauss and
    Legendre's rule takes exactly enough. It is concave in θ, so Newton's method from 0 never
    oversteps. Where ν is large, Cornish and Fisher's series (Abramowitz and Stegun, 26.7.5).
    """
    if freedom >= _SERIES_FROM:
        return _t95_series(freedom)
    constant = gamma((freedom + 1) / 2) / gamma(freedom / 2) / sqrt(pi)
    angle = 0.0
    while True:
        within = np.cos(angle * (_NODES + 1) / 2) ** (freedom - 1)
        chance = constant * angle / 2 * float(_WEIGHTS @ within)
        step = (0.475 - chance) / (constant * np.cos(angle) ** (freedom - 1))
        angle += float(step)
        if step < 1e-14:
            return sqrt(freedom) * tan(angle)


def _t95_series(freedom: float) -> float:
    if freedom == inf:
        return Z95
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def _spread_of_mean(data: Floats, clusters: Clusters) -> Spread:
    return spread_of((data - data.mean()) / len(data), clusters)


def _between(influence: Floats, groups: Integers) -> float:
    """Variance of a sum whose groups are independent (Cochran 1977, section 9A)."""
    sums = np.bincount(groups, weights=influence)
    return float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1))


def _labelers(influence: Floats, clusters: Clusters) -> tuple[float, float, float]:
    """What labelers add, as `with_labelers` takes it: noise, ratio, degrees of freedom.

    Labelers are compared within the prompts they share and, with less weight, across prompts, as
    generalised least squares would: labels of one prompt correlate as their sums show.
    """
    prompts, labelers = clusters.prompts, clusters.labelers
    counts = np.bincount(prompts)
    by_prompt = np.bincount(prompts, weights=influence).astype(np.float64)
    own, weights = _weights(influence, by_prompt, counts)
    table = np.zeros((_count(labelers), len(counts)))
    np.add.at(table, (labelers, prompts), 1)
    labels = table.sum(axis=1)
    information = (np.diag(labels) - (table * weights) @ table.T) / own
    scores = np.bincount(labelers, weights=influence) - table @ (weights * by_prompt)
    # The mean is estimated, too: what all labelers share says nothing about their differences.
    together = information.sum(axis=1) / information.sum()
    scores = scores / own - together * scores.sum() / own
    information = information - np.outer(together, together) * information.sum()
    trace, square = float(np.trace(information)), float((information**2).sum())
    noise = float((labels**2).sum() - len(influence)) * trace / square
    return noise, float(scores @ scores) / trace, trace**2 / square


def _weights(influence: Floats, by_prompt: Floats, counts: Integers) -> tuple[float, Floats]:
    """A label's own variance, and for each prompt what of a sum of its labels is the prompt's."""
    squares = float((influence**2).sum())
    total = squares / (len(influence) - 1)
    pairs = float((counts**2 - counts).sum())
    common = ((by_prompt**2).sum() - squares) / pairs if pairs else 0.0
    common = min(max(float(common), 0.0), _MOST_SHARED * total)
    own = total - common
    return own, common / (own + counts.astype(np.float64) * common)


def _numbered(ids: Ids) -> Integers:
    return np.unique(np.asarray(ids), return_inverse=True)[1].astype(np.int64).reshape(-1)


def _count(groups: Integers) -> int:
    return int(groups.max()) + 1 if len(groups) else 0
