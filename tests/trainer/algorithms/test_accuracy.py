"""Pair accuracy, clustered intervals and calibration against loops and simulation."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.algorithms.accuracy import (
    calibration_error,
    clustered_mean,
    disagreement,
    independent_mean,
    pair_margins,
    pair_outcomes,
    reliability,
)


def test_outcomes_of_a_ranking_with_a_tie_and_equal_scores() -> None:
    assert pair_outcomes([3, 1, 1, 5], [1, 2, 3, 3]) == [1, 1, 0, 0.5, 0]
    assert pair_margins([3, 1, 1, 5], [1, 2, 3, 3]) == [2, 2, -2, 0, -4]


@given(st.integers(2, 9), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_outcomes_say_whether_the_margin_is_positive(k: int, seed: int) -> None:
    rng = random.Random(seed)
    scores, ranks = [rng.gauss(0, 1) for _ in range(k)], [rng.randint(1, 4) for _ in range(k)]
    margins = pair_margins(scores, ranks)
    assert pair_outcomes(scores, ranks) == [float(m > 0) for m in margins]
    assert len(margins) == sum(ranks[i] != ranks[j] for i in range(k) for j in range(i))


def test_single_outcomes_give_wilsons_interval() -> None:
    interval = clustered_mean([[1.0]] * 60 + [[0.0]] * 40)
    assert interval is not None
    weight = 1.984217**2 / 99  # Student's of 99 degrees of freedom
    reach = math.sqrt(weight * 0.24 + weight**2 / 4)
    assert interval.estimate == 0.6
    assert interval.low == pytest.approx((0.6 + weight / 2 - reach) / (1 + weight), abs=1e-6)
    assert interval.high == pytest.approx((0.6 + weight / 2 + reach) / (1 + weight), abs=1e-6)


def test_independent_values_give_students_interval() -> None:
    interval = independent_mean([1.0, 2.0, 6.0])
    reach = 4.30265273 * math.sqrt(7 / 3)  # the variance is 7
    assert (interval.estimate, interval.high) == (3, pytest.approx(3 + reach))
    assert interval.low == pytest.approx(3 - reach)
    assert independent_mean([4.0]).high == math.inf


def test_copies_within_a_cluster_add_no_certainty() -> None:
    once = clustered_mean([[1.0], [0.0], [1.0], [1.0]])
    many = clustered_mean([[1.0] * 6, [0.0] * 6, [1.0] * 6, [1.0] * 6])
    assert once == many


def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = random.Random(0)
    covered = 0
    for _ in range(400):
        clusters = []
        for _ in range(60):
            chance = rng.betavariate(4, 2)
            clusters.append([float(rng.random() < chance) for _ in range(rng.randint(1, 10))])
        interval = clustered_mean(clusters)
        assert interval is not None
        covered += interval.low <= 2 / 3 <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_nothing_and_one_cluster() -> None:
    assert clustered_mean([[], []]) is None
    one = clustered_mean([[1.0, 0.0]])
    assert one is not None and (one.low, one.high) == (0, 1)


def gap(margins: list[float]) -> float:
    return calibration_error(reliability(margins))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    margin = math.log(3)  # σ = 0.75
    assert gap([margin] * 3 + [-margin]) == pytest.approx(0)
    assert gap([margin] * 4) == pytest.approx(0.25)
    assert gap([-2000.0]) == pytest.approx(1)
    assert gap([]) == 0
    # 3 pairs that are right with 0.75, one that is wrong with about 0.99.
    assert gap([margin] * 3 + [-math.log(99)]) == pytest.approx((3 * 0.25 + 0.99) / 4)


def test_bins_hold_the_pairs_of_their_confidence() -> None:
    odds = {0.5: 1, 0.62: 4, 0.999: 2}
    margins = [math.log(p / (1 - p)) for p, count in odds.items() for _ in range(count)]
    margins[1] *= -1
    first, third, last = reliability(margins)
    assert (first.pairs, first.confidence, first.accuracy) == (1, 0.5, 0.5)
    assert (third.low, third.high) == pytest.approx((0.6, 0.65))
    assert (third.pairs, third.confidence, third.accuracy) == (4, pytest.approx(0.62), 0.75)
    assert (last.high, last.accuracy) == (pytest.approx(1), 1)


def test_heads_disagree_as_far_as_their_chances_spread() -> None:
    even, third = 0.0, math.log(3)  # σ = 0.5, 0.75
    assert disagreement([[even, third], [0, 0]]) == pytest.approx(0.125)
    assert disagreement([[9.0, -9.0], [0, 0]]) == pytest.approx(0.5, abs=1e-3)
    assert disagreement([[1, 1], [2, 2], [2, 2]]) == 0
    assert disagreement([[1, 2]]) == 0
    # A constant that one head adds to every score changes nothing; nor does the order.
    drawn = [[0.3, -1.0, 2.0], [0.1, 0.5, -2.0], [1.5, 0.0, 0.0]]
    shifted = [[a, b + 7, c] for a, b, c in reversed(drawn)]
    assert disagreement(shifted) == pytest.approx(disagreement(drawn))
    by_hand = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        chances = [1 / (1 + math.exp(drawn[j][h] - drawn[i][h])) for h in range(3)]
        mean = sum(chances) / 3
        by_hand.append(math.sqrt(sum((c - mean) ** 2 for c in chances) / 3))
    assert disagreement(drawn) == pytest.approx(sum(by_hand) / 3)
