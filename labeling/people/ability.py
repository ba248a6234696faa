"""How good a labeler is: Bradley and Terry's model with an ability a labeler. Pure numpy.

A labeler with ability a prefers the better of two completions, whose qualities differ by δ, with
probability σ(a · δ): 0 is guessing, 1 the usual, below 0 the opposite of what others say. (Chen et
al. 2013, "Pairwise Ranking Aggregation in a Crowdsourced Setting", with a slope in place of a share
of flips.)

Few labelers see each pair, so to estimate its margin beside the abilities would make everybody seem
as good as the noise they share (Neyman and Scott 1948). It is integrated out: δ is normal, on the
nodes of Gauss and Hermite's rule, and the abilities are found by damped scoring. An
ability's variance is the sandwich over tasks, whose pairs share completions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.intervals import Z95, Floats, Integers, Interval

Singles = NDArray[np.float32]

_MARGIN_SPREAD = 2.1
"""Of δ, in logits: with it, usual labelers agree on about three pairs in four, as the paper's."""
_ABILITY_SPREAD = 1.0
_NODES = 20
_MOST_ROUNDS, _ENOUGH = 80, 5e-4
_LONGEST_STEP, _DAMPED = 0.5, 0.8


@dataclass(frozen=True)
class Fit:
    """Abilities [labelers] with their variances, and the rounds that it took."""

    abilities: Floats
    variances: Floats
    rounds: int

    def interval(self, labeler: int) -> Interval:
        """A labeler's ability with its 95 % interval."""
        ability, reach = float(self.abilities[labeler]), Z95 * float(self.variances[labeler]) ** 0.5
        return Interval(ability, ability - reach, ability + reach)


def fit(
    first_won: NDArray[np.bool_],
    pairs: Integers,
    labelers: Integers,
    *,
    crew: int,
    tasks: Integers | None = None,
    before: Fit | None = None,
) -> Fit:
    """Fit N comparisons by `crew` labelers, numbered from 0.

    Of each pair of completions, one and the same is the first in all its comparisons, however they
    were shown. `tasks` [N] says which pairs share completions; else each is alone. With `before`,
    a fit of fewer comparisons (and perhaps fewer labelers), it begins there, which takes fewer
    rounds.
    """
    order = np.argsort(pairs, kind="stable")
    said = _Said.of(first_won[order], pairs[order], labelers[order])
    abilities = np.ones(crew)
    if before is not None:
        abilities[: len(before.abilities)] = before.abilities
    step, rounds = np.ones(crew), 0
    while np.abs(step).max(initial=0.0) > _ENOUGH and rounds < _MOST_ROUNDS:
        step = _DAMPED * said.step(abilities)
        abilities = abilities + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        rounds += 1
    of_task = said.pairs if tasks is None else tasks[order]
    return Fit(abilities, said.variances(abilities, of_task), rounds)


@dataclass(frozen=True)
class _Said:
    """Comparisons in the order of their pairs: 1 or -1 [N], and where each pair begins [P]."""

    signs: Singles
    pairs: Integers
    labelers: Integers
    starts: Integers

    @classmethod
    def of(cls, first_won: NDArray[np.bool_], pairs: Integers, labelers: Integers) -> _Said:
        numbered = np.unique(pairs, return_inverse=True)[1].reshape(-1)
        starts = np.flatnonzero(np.diff(numbered, prepend=-1))
        signs = np.where(first_won, 1, -1).astype(np.float32)
        return cls(signs, numbered.astype(np.int64), labelers, starts.astype(np.int64))

    def scores(self, abilities: Floats) -> Floats:
        """Each comparison's part of the gradient of its labeler's ability [N], under what the
        abilities make of the pairs' margins."""
        margins, weights = _margins()
        slopes = abilities[self.labelers].astype(np.float32) * self.signs
        chance = 0.5 * (1 + np.tanh(slopes[:, None] * (margins / 2)))
        likely = np.add.reduceat(np.log(chance + 1e-12), self.starts) + np.log(weights)
        likely = np.exp(likely - likely.max(axis=1, keepdims=True))
        posterior = (likely / likely.sum(axis=1, keepdims=True))[self.pairs]
        posterior *= 1 - chance
        return (self.signs * (posterior @ margins)).astype(np.float64)

    def step(self, abilities: Floats) -> Floats:
        """Berndt, Hall, Hall and Hausman's (1974): the squares of the scores stand for the
        curvature, which EM's own step takes for larger than it is."""
        scores, count = self.scores(abilities), len(abilities)
        gradient = np.bincount(self.labelers, scores, count)
        gradient -= (abilities - 1) / _ABILITY_SPREAD**2
        curvature = np.bincount(self.labelers, scores**2, count) + 1 / _ABILITY_SPREAD**2
        return np.asarray(gradient / curvature, float)

    def variances(self, abilities: Floats, tasks: Integers) -> Floats:
        """Of each ability: bread of single comparisons, meat of whole tasks."""
        scores = self.scores(abilities)
        count, prior = len(abilities), 1 / _ABILITY_SPREAD**2
        bread = np.bincount(self.labelers, scores**2, count)
        both = self.labelers * (int(tasks.max(initial=0)) + 1) + tasks
        ids, numbered = np.unique(both, return_inverse=True)
        sums = np.bincount(numbered.reshape(-1), scores)
        whose = ids // (int(tasks.max(initial=0)) + 1)
        meat = np.bincount(whose, sums**2, count)
        return np.asarray((meat + prior) / (bread + prior) ** 2, float)


def _margins() -> tuple[Singles, Singles]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return (_MARGIN_SPREAD * nodes).astype(np.float32), (weights / weights.sum()).astype(np.float32)
