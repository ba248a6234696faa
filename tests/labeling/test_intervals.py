"""Intervals against numbers worked out by hand and published, and against drawn data."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan, cos, gamma, inf, pi, sin, sqrt

import numpy as np
import pytest

from labeling.intervals import Clusters, Interval, Spread, mean, rate, share, t95, with_labelers

STUDENT = {3: 3.182446305}


def alone(count: int) -> Clusters:
    """As many prompts as labels, one labeler."""
    return Clusters.of(range(count))


def interval(found: Interval | None) -> Interval:
    assert found is not None
    return found


@pytest.mark.parametrize(("freedom", "quantile"), [
    (1, 12.7062047361747), (2, 4.30265272974946), (3, 3.18244630528371), (4, 2.77644510519779),
    (5, 2.57058183563631), (10, 2.22813885198627), (30, 2.04227245630124),
    (100, 1.98397151852355), (1000, 1.96233908082641), (inf, 1.95996398454005),
])  # fmt: skip
def test_students_quantile_is_the_published_one(freedom: float, quantile: float) -> None:
    assert t95(freedom) == pytest.approx(quantile, abs=1e-9)


@pytest.mark.parametrize("freedom", [1.3, 2.5, 6.75, 40.2, 199.9, 200.1])
def test_students_quantile_has_975_in_1000_below_it(freedom: float) -> None:
    # Simpson's rule over the density, with t = √ν · tan θ.
    steps, end = 20_000, atan(t95(freedom) / sqrt(freedom))
    heights = np.cos(np.linspace(0, end, steps + 1)) ** (freedom - 1)
    weights = np.ones(steps + 1)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    constant = gamma((freedom + 1) / 2) / gamma(freedom / 2) / sqrt(pi)
    assert 0.5 + constant * end / steps / 3 * (weights @ heights) == pytest.approx(0.975, abs=1e-10)


def test_students_quantile_where_the_chance_has_a_closed_form() -> None:
    # Abramowitz and Stegun, 26.7.3 and 26.7.4, with three and four degrees of freedom.
    three, four = atan(t95(3) / sqrt(3)), atan(t95(4) / 2)
    assert 2 / pi * (three + sin(three) * cos(three)) == pytest.approx(0.95, abs=1e-12)
    assert sin(four) * (1 + cos(four) ** 2 / 2) == pytest.approx(0.95, abs=1e-12)


def test_a_mean_by_hand() -> None:
    # Four prompts with two labels each, by one labeler; the sums of wins are 2, 1.5, 1 and 0.
    wins = [1, 1, 1, 0.5, 1, 0, 0, 0]
    clusters = Clusters.of([1, 1, 2, 2, 3, 3, 4, 4], [7] * 8)
    found = interval(mean(wins, clusters))
    residuals = [2 - 9 / 8, 1.5 - 9 / 8, 1 - 9 / 8, 0 - 9 / 8]
    variance = sum(r * r for r in residuals) * 4 / 3 / 64
    assert found.estimate == pytest.approx(4.5 / 8)
    assert found.high == pytest.approx(4.5 / 8 + STUDENT[3] * sqrt(variance))
    assert found.low == pytest.approx(4.5 / 8 - STUDENT[3] * sqrt(variance))
    # Wilson's bounds are the shares that are so many standard errors away.
    inside = interval(rate(wins, clusters))
    estimate = 4.5 / 8
    unit = variance / (estimate * (1 - estimate))
    for bound in (inside.low, inside.high):
        assert abs(bound - estimate) == pytest.approx(STUDENT[3] * sqrt(bound * (1 - bound) * unit))


def test_labelers_who_differ_widen_the_interval_by_hand() -> None:
    # Eight prompts, four labelers with two labels each; what they say goes by labeler alone.
    wins = [10, 10, 10, 10, 0, 0, 0, 0]
    found = interval(mean(wins, Clusters.of(range(8), [1, 1, 2, 2, 3, 3, 4, 4])))
    by_prompt = 25 / 7  # of the mean, as by label, for each prompt has one: 25 · 8/7 / 8
    # Between labelers the mean square is 200 / 3, and the variance of one label 200 / 7.
    noise = (1 / 4 - 1 / 8) * (200 / 7) / 2
    ratio = (200 / 3) / (200 / 7)
    variance = by_prompt + noise * (ratio - 1)
    uncertain = noise * (ratio - noise / by_prompt / 2)
    freedom = variance**2 / (by_prompt**2 / 7 + uncertain**2 / 3)
    assert found.high - 5 == pytest.approx(t95(freedom) * sqrt(variance))
    alike = interval(mean(wins, Clusters.of(range(8), [1, 2, 3, 4, 1, 2, 3, 4])))
    assert alike.high - 5 < found.high - 5


def test_degrees_of_freedom_go_from_the_prompts_to_the_labelers() -> None:
    prompts = Spread(1.0, 99)
    assert with_labelers(prompts, 0.0, 5.0, 2).freedom == pytest.approx(99)
    assert with_labelers(prompts, 0.4, 0.1, 2).freedom == pytest.approx(99)
    freedoms = [with_labelers(prompts, 0.4, ratio, 2).freedom for ratio in (0.5, 1, 3, 10, 1e4)]
    assert freedoms == sorted(freedoms, reverse=True)
    assert freedoms[-1] == pytest.approx(2, abs=0.01)


def test_nothing_and_one_prompt() -> None:
    assert rate([], alone(0)) is None
    assert mean([], alone(0)) is None
    assert rate([1.0, 0.0], Clusters.of([3, 3], [1, 2])) == Interval(0.5, 0.0, 1.0)
    assert rate([1.0], alone(1)) == Interval(1.0, 0.0, 1.0)
    assert mean([1.0, 5.0], Clusters.of([3, 3])) == Interval(3.0, 1.0, 5.0)


@pytest.mark.parametrize("count", [2, 10, 100])
def test_outcomes_that_are_all_alike_are_not_certain(count: int) -> None:
    won = interval(rate([1.0] * count, alone(count)))
    lost = interval(rate([0.0] * count, alone(count)))
    bound = 1 / (1 + t95(count - 1) ** 2 / count)
    assert (won.estimate, won.high, won.low) == pytest.approx((1, 1, bound))
    assert (lost.estimate, lost.low, lost.high) == pytest.approx((0, 0, 1 - bound))


@pytest.mark.parametrize("estimate", [0.0, 1.0])
def test_rounding_leaves_no_share_outside_of_its_interval(estimate: float) -> None:
    # By the formula a bound is the estimate itself; of some numbers of prompts it rounds past it.
    for clusters in range(2, 2000):
        found = share(estimate, Spread(0.0, clusters - 1), clusters)
        assert 0 <= found.low <= estimate <= found.high <= 1, clusters


def test_rounding_leaves_no_mean_outside_of_its_range() -> None:
    found = interval(mean([0.1, 0.1, 0.1], Clusters.of([0, 0, 0])))
    assert found.low <= found.estimate <= found.high


def test_a_share_is_wilsons() -> None:
    # 73 of 100: Wilson's own bounds, whose quantile is the normal one.
    found = share(0.73, Spread(0.73 * 0.27 / 100, inf), 100)
    assert (found.low, found.high) == (
        pytest.approx(0.6357, abs=1e-4),
        pytest.approx(0.8073, abs=1e-4),
    )


def drawn(
    chance: np.random.Generator, labelers: int, each: int, effect: float, runs: int
) -> tuple[np.ndarray, Clusters]:
    """[runs, N] outcomes of 0, ½ and 1 whose mean is ½, of 100 prompts with `each` labels; a
    labeler's log-odds vary by `effect`, and labels of one prompt correlate by 0.45."""
    prompts = np.repeat(np.arange(100), each)
    who = np.concatenate([chance.permutation(labelers)[:each] for _ in range(100)])
    leaning = (
        chance.normal(0, 2.5, (runs, 100))[:, prompts]
        + chance.normal(0, 1, (runs, labelers))[:, who] * effect
        + chance.logistic(0, 1, (runs, len(prompts)))
    )
    return np.where(np.abs(leaning) < 0.4, 0.5, leaning > 0), Clusters.of(prompts, who)


@pytest.mark.parametrize("effect", [0, 0.5])
@pytest.mark.parametrize("labelers", [2, 3, 5, 20])
def test_intervals_cover_what_they_say(labelers: int, effect: float) -> None:
    # benchmarks/coverage.py measures this with many more draws.
    outcomes, clusters = drawn(np.random.default_rng(labelers), labelers, 2, effect, 300)
    assert 0.88 <= np.mean([covers(row, clusters) for row in outcomes]) <= 0.99


def covers(row: Sequence[float], clusters: Clusters) -> bool:
    found = interval(rate(row, clusters))
    return found.low <= 0.5 <= found.high


def test_a_third_labeler_does_not_destroy_the_evidence() -> None:
    widths = []
    for labelers in (2, 3):
        outcomes, clusters = drawn(np.random.default_rng(1), labelers, 2, 0, 200)
        found = [interval(rate(row, clusters)) for row in outcomes]
        widths.append(np.median([one.high - one.low for one in found]))
    assert widths[1] < 1.1 * widths[0]
