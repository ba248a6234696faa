"""What head-to-head labels say: estimates with 95 % intervals over clustered data. Pure numpy.

Labels of one prompt share texts and labels of one labeler share a taste, so neither are
independent. The variance of every estimate is V(prompts) + V(labelers) - V(labels), where each term
takes its clusters as the independent units (Cameron, Gelbach and Miller 2011): noise of single
labels, which both clusterings contain, counts once. It never falls below either clustering alone.
From fewer than three labelers nothing can be said about labelers; then prompts alone are clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from trainer.algorithms.accuracy import Z95, Interval, t95

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]

DRAWS = 400
FEWEST_LABELERS = 3
CORRELATION = 0.45
"""Of two labels of one pair: the paper's labelers agree on 72.6 %, and 2 · 0.726 - 1 is 0.45."""
_STEPS, _LONGEST_STEP = 60, 2.0
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Clusters:
    """For each of N labels the number of its prompt and of its labeler, int64 [N] each."""

    prompts: Integers
    labelers: Integers

    @classmethod
    def of(cls, prompts: Sequence[int], labelers: Sequence[int]) -> Clusters:
        """From ids of any kind."""
        return cls(_numbered(prompts), _numbered(labelers))

    @property
    def by_labelers_too(self) -> bool:
        """Whether there are labelers enough to count them as clusters."""
        return _count(self.labelers) >= FEWEST_LABELERS

    @property
    def quantile(self) -> float:
        """Student's, with as many degrees of freedom as the coarser clustering leaves."""
        fewest = _count(self.prompts)
        if self.by_labelers_too:
            fewest = min(fewest, _count(self.labelers))
        return t95(max(fewest - 1, 1))


def mean(values: Sequence[float], clusters: Clusters) -> Interval | None:
    """Mean of the labels' values with its interval; None of no label.

    The interval is the values' whole range while there is only one prompt.
    """
    if not len(values):
        return None
    data = np.asarray(values, float)
    estimate = float(data.mean())
    if _count(clusters.prompts) < 2:
        return Interval(estimate, float(data.min()), float(data.max()))
    reach = clusters.quantile * sqrt(_linear_variance(data - estimate, clusters)) / len(data)
    return Interval(estimate, estimate - reach, estimate + reach)


def rate(values: Sequence[float], clusters: Clusters) -> Interval | None:
    """Mean of values from 0 to 1, such as wins with ties as one half; the interval stays inside."""
    found = mean(values, clusters)
    if found is None:
        return None
    if _count(clusters.prompts) < 2:
        return Interval(found.estimate, 0.0, 1.0)
    return Interval(found.estimate, max(0.0, found.low), min(1.0, found.high))


def bradley_terry(
    first: Sequence[int],
    second: Sequence[int],
    outcomes: Sequence[float],
    clusters: Clusters,
    *,
    players: int,
    seed: int = 0,
) -> list[Interval | None]:
    """Each player's log-odds of being preferred to player 0, whose score is 0, with its interval.

    `outcomes` are wins of the first, ties one half. One virtual tie stands between every two
    players that met, so that whoever never lost has a finite score. Intervals are bootstrapped by
    prompt and labeler. None for a player that no chain of comparisons ties to player 0.
    """
    met = _met(first, second, players)
    known = _tied_to_first(met)
    if len(known) < 2:
        return [Interval(0.0, 0.0, 0.0), *[None] * (players - 1)]
    index = {player: place for place, player in enumerate(known)}
    kept = np.array([a in index and b in index for a, b in zip(first, second, strict=True)])
    own = Clusters(clusters.prompts[kept], clusters.labelers[kept])
    games = _games([index.get(a, 0) for a in first], [index.get(b, 0) for b in second],
                   outcomes, len(known))[kept]  # fmt: skip
    virtual = met[np.ix_(known, known)] / 2

    def scores(weights: Floats) -> Floats:
        wins = (weights @ games.reshape(len(games), -1)).reshape(-1, len(known), len(known))
        return _fit_scores(wins + virtual)

    found = bootstrapped(scores, own, seed=seed)
    return [found[index[player]] if player in index else None for player in range(players)]


def length_controlled(
    outcomes: Sequence[float], differences: Sequence[float], clusters: Clusters, *, seed: int = 0
) -> Interval | None:
    """The win rate there would be at equal lengths: σ(a) of win ~ σ(a + b · difference).

    A logistic regression on the difference in length (first less second) in its own standard
    deviations, ties as one half, with one virtual tie: half of it one deviation either way.
    Intervals are bootstrapped by prompt and labeler on the log-odds. (After Dubois et al. 2024,
    without their terms for the instruction.)
    """
    if not len(outcomes):
        return None
    data, gaps = np.asarray(outcomes, float), np.asarray(differences, float)
    spread = float(np.sqrt((gaps**2).mean()))
    # The virtual tie is two rows of weight one half after the labels.
    x = np.concatenate([gaps / (spread or 1.0), [1.0, -1.0]])
    y = np.concatenate([data, [0.5, 0.5]])

    def log_odds(weights: Floats) -> Floats:
        virtual = np.full((len(weights), 2), 0.5)
        return _fit_line(x, y, np.concatenate([weights, virtual], axis=1))[:, :1]

    [found] = bootstrapped(log_odds, clusters, seed=seed)
    return Interval(*(float(_logistic(np.array(v))) for v in (found.estimate, found.low,
                                                              found.high)))  # fmt: skip


def bootstrapped(
    statistic: Statistic, clusters: Clusters, *, draws: int = DRAWS, seed: int = 0
) -> list[Interval]:
    """Intervals of a statistic of weighted labels, [B, N] weights to [B, K] values.

    Prompts, labelers and single labels are drawn with replacement, each on their own; the three
    variances are put together as this module's head says.
    """
    chance = np.random.default_rng(seed)
    estimate = statistic(np.ones((1, len(clusters.prompts))))[0]
    if _count(clusters.prompts) < 2:
        return [Interval(float(value), -np.inf, np.inf) for value in estimate]

    def variance(groups: Integers) -> Floats:
        return np.var(statistic(_resampled(groups, draws, chance)), axis=0, ddof=1)

    total = variance(clusters.prompts)
    if clusters.by_labelers_too:
        total = _put_together(total, variance(clusters.labelers),
                              variance(np.arange(len(clusters.prompts))))  # fmt: skip
    reach = clusters.quantile * np.sqrt(total)
    bounds = zip(estimate, estimate - reach, estimate + reach, strict=True)
    return [Interval(*map(float, bound)) for bound in bounds]


def half_width(prompts: int, labels_each: int, correlation: float = CORRELATION) -> float:
    """Half of the 95 % interval of a win rate near one half, from so many prompts and labels each.

    Labels of one prompt correlate, so the second one adds less than a second prompt would.
    """
    variance = 0.25 * _design(labels_each, correlation) / prompts
    return (t95(prompts - 1) if prompts > 1 else np.inf) * sqrt(variance)


def prompts_needed(width: float, labels_each: int, correlation: float = CORRELATION) -> int:
    """The fewest prompts whose half-width is not above `width`."""
    fewest = max(2, ceil(0.25 * _design(labels_each, correlation) * (Z95 / width) ** 2))
    while half_width(fewest, labels_each, correlation) > width:
        fewest += 1
    return fewest


def power(prompts: int, labels_each: int, rate: float, correlation: float = CORRELATION) -> float:
    """The chance, 0 to 1, that the interval of a version whose true win rate is `rate` excludes ½.

    From the normal approximation; ties, which lower the variance, are not counted on.
    """
    spread = sqrt(rate * (1 - rate) * _design(labels_each, correlation) / prompts)
    return _NORMAL.cdf(abs(rate - 0.5) / spread - Z95)


def prompts_for_power(
    rate: float, labels_each: int, wanted: float = 0.8, correlation: float = CORRELATION
) -> int:
    """The fewest prompts at which `power` is what is wanted; `rate` must not be ½."""
    reach = (Z95 + _NORMAL.inv_cdf(wanted)) / abs(rate - 0.5)
    return max(2, ceil(reach**2 * rate * (1 - rate) * _design(labels_each, correlation)))


def _design(labels_each: int, correlation: float) -> float:
    """The variance of a prompt's mean label, in units of a single label's."""
    return (1 + (labels_each - 1) * correlation) / labels_each


def _linear_variance(residuals: Floats, clusters: Clusters) -> float:
    """Variance of the sum of residuals."""
    by_prompt = _between(residuals, clusters.prompts)
    if not clusters.by_labelers_too:
        return by_prompt
    single = _between(residuals, np.arange(len(residuals)))
    return float(_put_together(by_prompt, _between(residuals, clusters.labelers), single))


def _between(residuals: Floats, groups: Integers) -> float:
    """Variance of a sum whose groups are independent (Cochran 1977, section 9A)."""
    sums = np.bincount(groups, weights=residuals)
    return float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1))


def _put_together(prompts: Floats | float, labelers: Floats | float, labels: Floats | float) -> (
    Floats
):  # fmt: skip
    return np.maximum(np.asarray(prompts) + labelers - labels, np.maximum(prompts, labelers))


def _resampled(groups: Integers, draws: int, chance: np.random.Generator) -> Floats:
    """How often each label is in each draw of whole groups, [draws, N]."""
    count = _count(groups)
    drawn = chance.multinomial(count, np.full(count, 1 / count), size=draws)
    return drawn[:, groups].astype(float)


def _met(first: Sequence[int], second: Sequence[int], players: int) -> Floats:
    met = np.zeros((players, players))
    met[list(first), list(second)] = met[list(second), list(first)] = 1
    return met


def _tied_to_first(met: Floats) -> list[int]:
    reached, edge = {0}, {0}
    while edge:
        edge = {int(b) for a in edge for b in np.flatnonzero(met[a])} - reached
        reached |= edge
    return sorted(reached)


def _games(
    first: Sequence[int], second: Sequence[int], outcomes: Sequence[float], players: int
) -> Floats:
    """[N, players, players]: what each label adds to the wins of the row over the column."""
    games = np.zeros((len(outcomes), players, players))
    each = np.arange(len(outcomes))
    games[each, list(first), list(second)] = outcomes
    games[each, list(second), list(first)] = 1 - np.asarray(outcomes)
    return games


def _fit_scores(wins: Floats) -> Floats:
    """Maximum likelihood by Newton's method, [B, K, K] wins to [B, K] with player 0 at 0."""
    played = wins + wins.transpose(0, 2, 1)
    scores = np.zeros(wins.shape[:2])
    for _ in range(_STEPS):
        chance = _logistic(scores[:, :, None] - scores[:, None, :])
        slope = (wins - played * chance).sum(axis=2)
        weights = played * chance * (1 - chance)
        curve = np.eye(wins.shape[1]) * weights.sum(axis=2)[:, :, None] - weights
        step = np.linalg.solve(curve[:, 1:, 1:], slope[:, 1:, None])[..., 0]
        scores[:, 1:] += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    return scores


def _fit_line(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Logistic regression by Newton's method for each row of weights: [B, 2] of (a, b)."""
    design = np.stack([np.ones_like(x), x], axis=1)
    found = np.zeros((len(weights), 2))
    for _ in range(_STEPS):
        chance = _logistic(found @ design.T)
        slope = (weights * (y - chance)) @ design
        curve = np.einsum("bn,ni,nj->bij", weights * chance * (1 - chance), design, design)
        step = np.linalg.solve(curve, slope[..., None])[..., 0]
        found += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    return found


def _logistic(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(x / 2))


def _numbered(ids: Sequence[int]) -> Integers:
    return np.unique(np.asarray(ids), return_inverse=True)[1].astype(np.int64).reshape(-1)


def _count(groups: Integers) -> int:
    return int(groups.max()) + 1 if len(groups) else 0
