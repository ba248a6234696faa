"""What head-to-head labels say beyond a win rate: scores from comparisons, rates at equal lengths.

Both are maximum likelihood estimates; the error of one is, to first order, a sum of one influence
a label (its slope times the inverse curvature), so their 95 % intervals are those of
`labeling.intervals`: the sandwich estimator, clustered by prompts and labelers (Cameron, Gelbach
and Miller 2011). Pure numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

import numpy as np

from labeling.intervals import Clusters, Floats, Interval, spread_of

_STEPS, _LONGEST_STEP = 60, 2.0


def bradley_terry(
    first: Sequence[int],
    second: Sequence[int],
    outcomes: Sequence[float],
    clusters: Clusters,
    *,
    players: int,
) -> list[Interval | None]:
    """Each player's log-odds of being preferred to player 0, whose score is 0, with its interval.

    `outcomes` are wins of the first, ties one half. One virtual tie stands between every two
    players that met, so that whoever never lost has a finite score; how far it moves a score counts
    as uncertain. None for a player that no chain of comparisons ties to player 0.
    """
    met = np.zeros((players, players))
    met[list(first), list(second)] = met[list(second), list(first)] = 1
    known = _tied_to_first(met)
    if len(known) < 2:
        return [Interval(0.0, 0.0, 0.0), *[None] * (players - 1)]
    index = {player: place for place, player in enumerate(known)}
    kept = np.array([a in index and b in index for a, b in zip(first, second, strict=True)])
    games = _games(
        [index.get(a, 0) for a in first], [index.get(b, 0) for b in second], outcomes, len(known)
    )[kept]
    virtual = met[np.ix_(known, known)] / 2
    scores, slopes, curve = _fit_scores(games, virtual)
    own = Clusters.of(clusters.prompts[kept], clusters.labelers[kept])
    influence = np.linalg.solve(curve, slopes.T)  # [players - 1, labels]
    found = [Interval(0.0, 0.0, 0.0)]
    found += [_around(*one, own) for one in zip(scores[1:], influence, strict=True)]
    return [found[index[player]] if player in index else None for player in range(players)]


def length_controlled(
    outcomes: Sequence[float], differences: Sequence[float], clusters: Clusters
) -> Interval | None:
    """The win rate there would be at equal lengths: σ(a) of win ~ σ(a + b · difference).

    A logistic regression on the difference in length (first less second) in its own standard
    deviations, ties as one half, with one virtual tie: half of it one deviation either way. The
    interval is that of the log-odds a. (After Dubois et al. 2024, without their terms for the
    instruction.)
    """
    if not len(outcomes):
        return None
    data, gaps = np.asarray(outcomes, float), np.asarray(differences, float)
    spread = float(np.sqrt((gaps**2).mean()))
    # The virtual tie is two rows of weight one half after the labels.
    x = np.concatenate([gaps / (spread or 1.0), [1.0, -1.0]])
    y = np.concatenate([data, [0.5, 0.5]])
    weights = np.concatenate([np.ones(len(data)), [0.5, 0.5]])
    fitted, slopes, curve = _fit_line(x, y, weights)
    influence = np.linalg.solve(curve, slopes.T)[0]
    found = _around(float(fitted[0]), influence[: len(data)], clusters)
    return Interval(*map(float, _logistic(np.array([found.estimate, found.low, found.high]))))


def _around(estimate: float, influence: Floats, clusters: Clusters) -> Interval:
    """The interval of an estimate that labels and virtual ties pull at in balance."""
    if clusters.count < 2:
        return Interval(float(estimate), -inf, inf)
    found = spread_of(influence, clusters)
    # The ties pull as far as all labels together, the other way.
    moved = float(influence.sum())
    return replace(found, variance=found.variance + moved**2).around(float(estimate))


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


def _fit_scores(games: Floats, virtual: Floats) -> tuple[Floats, Floats, Floats]:
    """Maximum likelihood by Newton's method from [N, K, K] games and [K, K] virtual wins.

    The scores [K] with player 0 at 0; and of the other players each label's slope there [N, K - 1]
    and the curvature [K - 1, K - 1].
    """
    played = games + games.transpose(0, 2, 1)
    wins = games.sum(axis=0) + virtual
    total = wins + wins.T
    scores = np.zeros(len(wins))
    for _ in range(_STEPS):
        chance = _logistic(scores[:, None] - scores[None, :])
        weights = total * chance * (1 - chance)
        curve = (np.diag(weights.sum(axis=1)) - weights)[1:, 1:]
        step = np.linalg.solve(curve, (wins - total * chance).sum(axis=1)[1:])
        scores[1:] += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    return scores, (games - played * chance).sum(axis=2)[:, 1:], curve


def _fit_line(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted logistic regression by Newton's method: (a, b), each row's slope there [N, 2] and
    the curvature [2, 2]."""
    design = np.stack([np.ones_like(x), x], axis=1)
    found = np.zeros(2)
    for _ in range(_STEPS):
        chance = _logistic(design @ found)
        slopes = (weights * (y - chance))[:, None] * design
        curve = (design * (weights * chance * (1 - chance))[:, None]).T @ design
        step = np.linalg.solve(curve, slopes.sum(axis=0))
        found += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    return found, slopes, curve


def _logistic(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(x / 2))
