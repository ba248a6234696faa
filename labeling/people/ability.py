"""How good a labeler is: Bradley and Terry's model with an ability a labeler. Pure numpy.

A labeler with ability a prefers the better of two completions, whose qualities differ by δ, with
probability σ(a · δ): 0 is guessing, 1 the usual, below 0 the opposite of what others say. (Chen et
al. 2013, "Pairwise Ranking Aggregation in a Crowdsourced Setting", with a slope in place of a share
of flips.)

Few labelers see each pair, so to estimate its margin beside the abilities would make everybody seem
as good as the noise they share (Neyman and Scott 1948). It is integrated out: δ is normal, on the
nodes of Gauss and Hermite's rule, and the abilities are found by scoring. An
ability's variance counts tasks, whose pairs share completions, as what is independent.
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
_MOST_ROUNDS, _ENOUGH = 50, 1e-3
_LONGEST_STEP = 1.0


@dataclass(frozen=True)
class Fit:
    """Abilities [labelers] with their variances, and the looks at all comparisons that it took."""

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
    abilities, rounds = np.ones(crew), 0
    if before is not None:
        abilities[: len(before.abilities)] = before.abilities
    value, scores = said.look(abilities)
    for _ in range(_MOST_ROUNDS):
        step = said.step(abilities, scores)
        # Far from the end the information is no good curvature: never go where it is worse.
        while True:
            further = abilities + step
            rounds += 1
            there, their_scores = said.look(further)
            if there >= value or np.abs(step).max() < _ENOUGH:
                break
            step /= 2
        abilities, value, scores = further, there, their_scores
        if np.abs(step).max(initial=0.0) < _ENOUGH:
            break
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

    def look(self, abilities: Floats) -> tuple[float, Floats]:
        """The logarithm of the posterior, and each comparison's part of the gradient of its
        labeler's ability [N], under what the abilities make of the pairs' margins."""
        margins, weights = _margins()
        slopes = abilities[self.labelers].astype(np.float32) * self.signs
        chance = 0.5 * (1 + np.tanh(slopes[:, None] * (margins / 2)))
        likely = np.add.reduceat(np.log(chance + 1e-12), self.starts) + np.log(weights)
        highest = likely.max(axis=1, keepdims=True)
        likely = np.exp(likely - highest)
        total = likely.sum(axis=1, keepdims=True)
        value = float((np.log(total) + highest).sum(dtype=np.float64))
        value -= float(((abilities - 1) ** 2).sum()) / 2 / _ABILITY_SPREAD**2
        posterior = (likely / total)[self.pairs]
        posterior *= 1 - chance
        return value, (self.signs * (posterior @ margins)).astype(np.float64)

    def step(self, abilities: Floats, scores: Floats) -> Floats:
        """Newton's, with the information below for the curvature, which needs no derivative more
        (Berndt, Hall, Hall and Hausman 1974); no longer than the longest."""
        pull = np.bincount(self.labelers, scores, len(abilities))
        gradient = pull - (abilities - 1) / _ABILITY_SPREAD**2
        step = np.linalg.solve(self.information(scores, len(abilities)), gradient)
        return np.asarray(step * min(1.0, _LONGEST_STEP / np.abs(step).max(initial=1e-9)), float)

    def information(self, scores: Floats, crew: int) -> Floats:
        """Products of what each pair says of each two abilities, with the prior's; [crew, crew].

        Labelers of one pair hang together: if they all were worse, its margin could be less.
        """
        found = np.bincount(self.labelers * (crew + 1), scores**2, crew * crew)
        for apart in range(1, len(scores)):
            one = np.flatnonzero(self.pairs[:-apart] == self.pairs[apart:])
            if not len(one):
                break
            other = one + apart
            both = scores[one] * scores[other]
            for row, column in ((one, other), (other, one)):
                place = self.labelers[row] * crew + self.labelers[column]
                found += np.bincount(place, both, crew * crew)
        return np.asarray(found.reshape(crew, crew) + np.eye(crew) / _ABILITY_SPREAD**2, float)

    def variances(self, abilities: Floats, tasks: Integers) -> Floats:
        """Of each ability: from the information, times how much more the scores of whole tasks
        vary than those of single pairs would."""
        (_, scores), count = self.look(abilities), len(abilities)
        prior, most = 1 / _ABILITY_SPREAD**2, int(tasks.max(initial=0)) + 1
        single = np.bincount(self.labelers, scores**2, count)
        ids, numbered = np.unique(self.labelers * most + tasks, return_inverse=True)
        sums = np.bincount(numbered.reshape(-1), scores)
        whole = np.bincount(ids // most, sums**2, count)
        known = np.diag(np.linalg.inv(self.information(scores, count)))
        return np.asarray(known * (whole + prior) / (single + prior), float)


def _margins() -> tuple[Singles, Singles]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return (_MARGIN_SPREAD * nodes).astype(np.float32), (weights / weights.sum()).astype(np.float32)
