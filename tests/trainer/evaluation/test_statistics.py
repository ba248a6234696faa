"""Estimates against numbers worked out by hand, and their intervals against drawn data."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from labeling.intervals import Clusters, rate
from trainer.evaluation.statistics import bradley_terry, length_controlled


def alone(count: int) -> Clusters:
    """As many prompts as labels, one labeler."""
    return Clusters.of(range(count), [0] * count)


def test_two_players_by_hand() -> None:
    wins = [1.0] * 7 + [0.5] + [0.0] * 2
    base, new = bradley_terry([1] * 10, [0] * 10, wins, alone(10), players=2)
    assert base is not None and new is not None
    assert (base.estimate, base.low, base.high) == (0, 0, 0)
    assert new.estimate == pytest.approx(log(8 / 3))  # with the virtual tie: 7.5 + ½ of 10 + 1
    assert new.low < new.estimate < new.high


def test_a_ladder_is_where_the_likelihood_is_flat() -> None:
    first, second = [1] * 30 + [2] * 30 + [2] * 30, [0] * 60 + [1] * 30
    outcomes = [1.0] * 20 + [0.0] * 10 + [1.0] * 26 + [0.0] * 4 + [1.0] * 18 + [0.0] * 12
    found = bradley_terry(first, second, outcomes, alone(90), players=3)
    s = [one.estimate for one in found if one is not None]
    lost = {(1, 0): 10, (2, 0): 4, (2, 1): 12}
    for player in (1, 2):
        slope = sum(
            ((30.5 - n) if player == a else (n + 0.5)) - 31 / (1 + np.exp(s[rival] - s[player]))
            for (a, b), n in lost.items()
            for rival in [b if player == a else a]
            if player in (a, b)
        )
        assert slope == pytest.approx(0, abs=1e-6)


def test_whoever_met_nobody_has_no_score() -> None:
    found = bradley_terry([1, 3], [0, 2], [1.0, 1.0], alone(2), players=4)
    assert [one is None for one in found] == [False, False, True, True]
    assert bradley_terry([], [], [], alone(0), players=2)[1] is None


def test_whoever_never_lost_has_a_finite_score() -> None:
    _, new = bradley_terry([1] * 5, [0] * 5, [1.0] * 5, alone(5), players=2)
    assert new is not None
    assert new.estimate == pytest.approx(log(5.5 / 0.5))


def test_equal_lengths_leave_the_win_rate_as_it_is() -> None:
    found = length_controlled([1.0, 1.0, 1.0, 0.0], [0.0] * 4, alone(4))
    assert found is not None
    assert found.estimate == pytest.approx(3.5 / 5)  # one virtual tie among four


def test_a_policy_that_wins_by_length_alone_does_not_win_at_equal_lengths() -> None:
    # Wins follow length with the same slope everywhere, and the policy is mostly the longer one.
    chance = np.random.default_rng(5)
    gaps = chance.normal(40, 40, 4000)
    wins = (chance.random(4000) < 1 / (1 + np.exp(-gaps / 40))).astype(float)
    found = length_controlled(wins.tolist(), gaps.tolist(), alone(4000))
    assert found is not None and wins.mean() > 0.65
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.08


PROMPTS, LABELERS, EACH = 80, 12, 3


def drawn(chance: np.random.Generator, runs: int) -> tuple[np.ndarray, Clusters]:
    """[runs, N] outcomes of 0, ½ and 1 whose mean is ½: prompt, labeler and chance all matter."""
    prompts = np.repeat(np.arange(PROMPTS), EACH)
    labelers = (prompts + np.tile(np.arange(EACH), PROMPTS) * 5) % LABELERS
    leaning = (
        chance.normal(0, 0.8, (runs, PROMPTS))[:, prompts]
        + chance.normal(0, 0.3, (runs, LABELERS))[:, labelers]
        + chance.normal(0, 1, (runs, len(prompts)))
    )
    outcomes = np.where(np.abs(leaning) < 0.2, 0.5, leaning > 0)
    return outcomes, Clusters.of(prompts.tolist(), labelers.tolist())


def test_scores_are_as_sure_as_the_win_rate_they_come_from() -> None:
    # Near even, a log-odds varies four times as much as its rate.
    outcomes, clusters = drawn(np.random.default_rng(3), runs=1)
    row, count = outcomes[0], outcomes.shape[1]
    linear = rate(row.tolist(), clusters)
    new = bradley_terry([1] * count, [0] * count, row.tolist(), clusters, players=2)[1]
    even = length_controlled(row.tolist(), [0.0] * count, clusters)
    assert linear is not None and new is not None and even is not None
    width = linear.high - linear.low
    assert new.high - new.low == pytest.approx(4 * width, rel=0.05)
    assert even.high - even.low == pytest.approx(width, rel=0.05)


def test_bradley_terry_intervals_cover_what_they_say() -> None:
    # Two players that are equally good, so the second one's true score is 0.
    outcomes, clusters = drawn(np.random.default_rng(4), runs=300)
    count = outcomes.shape[1]
    covered = []
    for row in outcomes:
        new = bradley_terry([1] * count, [0] * count, row.tolist(), clusters, players=2)[1]
        assert new is not None
        covered.append(new.low <= 0 <= new.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_whoever_never_lost_is_not_certain_to_be_better() -> None:
    # Five wins of five: the exact (Clopper and Pearson) interval of the rate starts at 0.478.
    _, new = bradley_terry([1] * 5, [0] * 5, [1.0] * 5, alone(5), players=2)
    even = length_controlled([1.0] * 5, [3.0, 4.0, -2.0, 1.0, 0.0], alone(5))
    assert new is not None and even is not None
    assert -1 < new.low < 0 and 0.3 < even.low < 0.5
