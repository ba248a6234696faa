"""Estimates against numbers worked out by hand, and their intervals against drawn data."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest

from trainer.statistics import (
    Clusters,
    bootstrapped,
    bradley_terry,
    half_width,
    length_controlled,
    mean,
    prompts_needed,
    rate,
)

STUDENT = {1: 12.7062, 3: 3.182446, 7: 2.364624}


def alone(count: int) -> Clusters:
    """As many prompts as labels, one labeler."""
    return Clusters.of(range(count), [0] * count)


def test_a_win_rate_by_hand() -> None:
    # Four prompts with two labels each, by one labeler; the sums of wins are 2, 1.5, 1 and 0.
    wins = [1, 1, 1, 0.5, 1, 0, 0, 0]
    clusters = Clusters.of([1, 1, 2, 2, 3, 3, 4, 4], [7] * 8)
    found = mean(wins, clusters)
    residuals = [2 - 9 / 8, 1.5 - 9 / 8, 1 - 9 / 8, 0 - 9 / 8]
    error = sqrt(sum(r * r for r in residuals) * 4 / 3) / 8
    assert found is not None
    assert found.estimate == pytest.approx(4.5 / 8)
    assert found.high == pytest.approx(4.5 / 8 + STUDENT[3] * error, rel=0.01)
    assert found.low == pytest.approx(4.5 / 8 - STUDENT[3] * error, rel=0.1)
    inside = rate(wins, clusters)
    assert inside is not None
    assert (inside.estimate, inside.low, inside.high) == (4.5 / 8, 0, 1)


def test_labelers_are_clusters_too_by_hand() -> None:
    # Eight prompts, four labelers with two labels each; what they say goes by labeler alone.
    wins = [1, 1, 1, 1, 0, 0, 0, 0]
    found = rate(wins, Clusters.of(range(8), [1, 1, 2, 2, 3, 3, 4, 4]))
    by_prompt = 8 * 0.25 * 8 / 7  # as by label, for each prompt has one
    by_labeler = 4 * 1.0 * 4 / 3
    error = sqrt(by_prompt + by_labeler - by_prompt) / 8
    assert found is not None
    assert found.high == pytest.approx(min(1, 0.5 + STUDENT[3] * error))
    value = mean([10 * w for w in wins], Clusters.of(range(8), [1, 1, 2, 2, 3, 3, 4, 4]))
    assert value is not None
    assert value.high == pytest.approx(5 + 10 * STUDENT[3] * error, rel=0.01)


def test_nothing_and_one_prompt() -> None:
    assert rate([], alone(0)) is None
    assert mean([], alone(0)) is None
    found = rate([1.0, 0.0], Clusters.of([3, 3], [1, 2]))
    assert found is not None
    assert (found.estimate, found.low, found.high) == (0.5, 0.0, 1.0)
    assert rate([1.0], alone(1)).high == 1.0  # type: ignore[union-attr]


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


def test_sample_sizes_by_hand() -> None:
    assert half_width(100, 1) == pytest.approx(1.984217 * 0.05, rel=1e-4)
    assert half_width(100, 2, 1.0) == pytest.approx(half_width(100, 1))
    assert half_width(100, 2, 0.0) < half_width(100, 2, 0.5) < half_width(100, 1)
    for width in (0.03, 0.05, 0.1, 0.2):
        needed = prompts_needed(width, 2)
        assert half_width(needed, 2) <= width < half_width(needed - 1, 2)


PROMPTS, LABELERS, EACH, RUNS = 80, 12, 3, 2000


def drawn(chance: np.random.Generator, runs: int = RUNS) -> tuple[np.ndarray, Clusters]:
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


def test_intervals_cover_what_they_say() -> None:
    outcomes, clusters = drawn(np.random.default_rng(1))
    covered = []
    for row in outcomes:
        found = rate(row.tolist(), clusters)
        assert found is not None
        covered.append(found.low <= 0.5 <= found.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)


def test_intervals_by_prompt_alone_cover_what_they_say() -> None:
    chance = np.random.default_rng(2)
    prompts = np.repeat(np.arange(40), 2)
    leaning = chance.normal(0, 1, (RUNS, 40))[:, prompts] + chance.normal(0, 1, (RUNS, 80))
    clusters = Clusters.of(prompts.tolist(), np.tile([0, 1], 40).tolist())
    rates = [rate(row.tolist(), clusters) for row in (leaning > 0).astype(float)]
    covered = [found.low <= 0.5 <= found.high for found in rates if found]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)


def test_bootstrapped_intervals_agree_with_the_linear_ones() -> None:
    outcomes, clusters = drawn(np.random.default_rng(3), runs=1)
    row = outcomes[0]
    [found] = bootstrapped(
        lambda weights: ((weights @ row) / weights.sum(axis=1))[:, None], clusters, draws=4000
    )
    linear = rate(row.tolist(), clusters)
    assert linear is not None
    assert found.high - found.low == pytest.approx(linear.high - linear.low, rel=0.06)


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
