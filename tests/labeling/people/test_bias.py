"""A planted bias is found, and clean crews stay clean."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.people.bias import Leaning, Shown, audit, comparisons_needed


def drawn(tasks: int, seed: int, *, k: int = 2, points: float = 0.0, rated: float = 0.0,
          longer: float = 0.0) -> list[Shown]:  # fmt: skip
    """Rankings in which, of two, the first shown is put first in `points` more of the cases; an
    earlier one is rated `rated` higher, and length counts `longer` a character."""
    chance = np.random.default_rng(seed)
    found = []
    for task in range(tasks):
        lengths = chance.integers(10, 400, k)
        quality = chance.normal(0, 1, k) + longer * lengths
        order = np.argsort(-quality)
        if k == 2 and chance.random() < 2 * points:
            order = np.array([0, 1])
        ranks = np.empty(k, int)
        ranks[order] = np.arange(1, k + 1)
        ratings = np.clip(np.round(4 + quality - rated * np.arange(k)), 1, 7).astype(int)
        found.append(Shown(task, ranks.tolist(), lengths.tolist(), ratings.tolist()))
    return found


def named(found: list[Leaning]) -> dict[str, Leaning]:
    return {one.name: one for one in found}


def test_a_position_bias_of_three_points_is_found_in_5000_comparisons() -> None:
    found = [named(audit(drawn(5_000, seed, points=0.03)))["position"] for seed in range(40)]
    assert np.mean([one.is_alarming for one in found]) >= 0.85
    shares = [one.interval.estimate for one in found if one.interval]
    assert np.mean(shares) == pytest.approx(0.53, abs=0.003)
    covered = [one.interval.low <= 0.53 <= one.interval.high for one in found if one.interval]
    assert np.mean(covered) > 0.85


@pytest.mark.parametrize("k", [2, 4])
def test_95_of_100_clean_crews_raise_no_alarm(k: int) -> None:
    alarms = [
        any(one.is_alarming for one in audit(drawn(400, 1_000 + seed, k=k, longer=0.004)))
        for seed in range(100)
    ]
    assert sum(alarms) <= 5


def test_an_order_of_rating_is_found_that_ranks_do_not_show() -> None:
    found = named(audit(drawn(2_000, 1, rated=0.3)))
    assert found["rating order"].is_alarming and not found["position"].is_alarming
    interval = found["rating order"].interval
    assert interval is not None and interval.low < 0.3 < interval.high + 0.05


def test_longer_ones_are_told_and_raise_no_alarm() -> None:
    found = named(audit(drawn(2_000, 2, longer=0.01)))["length"]
    assert found.interval is not None and found.interval.low > 0.7
    assert not found.is_alarming


def test_ties_and_equal_lengths_are_left_out() -> None:
    shown = Shown(1, [1, 1, 2], [5, 5, 5], [4, None, 3])
    found = named(audit([shown]))
    assert [found[name].comparisons for name in ("position", "rating order", "length")] == [2, 1, 0]
    assert found["length"].interval is None
    assert not any(one.is_alarming for one in found.values())  # of one task nothing is sure


def test_the_sample_size_is_what_finds_it_four_times_in_five() -> None:
    needed = comparisons_needed()
    assert needed == 3245  # (2.576 + 0.842)² / (4 · 0.03²)
    chance = np.random.default_rng(0)
    shares = chance.binomial(needed, 0.53, 4_000) / needed
    z = np.abs(shares - 0.5) / np.sqrt(shares * (1 - shares) / needed)
    assert np.mean(z > 2.5758) == pytest.approx(0.8, abs=0.02)
    inflated = named(audit(drawn(300, 3, k=4)))["position"].needed
    assert inflated is not None and inflated >= needed
