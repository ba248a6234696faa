"""Plans of head-to-heads against numbers worked out by hand and against drawn evaluations."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.intervals import Clusters, rate
from trainer.evaluation.sample_size import (
    LABELER_EFFECT,
    People,
    Plan,
    half_width,
    plan,
    power,
    prompts_for_power,
    prompts_needed,
)


def test_half_widths_by_hand() -> None:
    assert half_width(100, People()) == pytest.approx(1.984217 * 0.05, rel=1e-6)
    widths = [half_width(100, People(2, 9, 0, correlation)) for correlation in (0, 0.5, 0.9)]
    assert widths == sorted(widths)
    # Two labels that always agree are worth one.
    assert half_width(100, People(2, 2, 0, 0.999)) == pytest.approx(
        half_width(100, People()), rel=0.01
    )


def test_more_labelers_and_labelers_who_differ_less_are_surer() -> None:
    few, some, many = (half_width(100, People(1, labelers, 0.5)) for labelers in (2, 5, 40))
    assert few > some > many > half_width(100, People(1, 40, 0.0))
    few, some, many = (power(100, People(1, labelers, 0.5), 0.6) for labelers in (2, 5, 40))
    assert few < some < many < power(100, People(1, 40, 0.0), 0.6)


def test_the_fewest_prompts_are_the_fewest() -> None:
    people = People(2, 20, 0.2)
    for width in (0.05, 0.1, 0.2):
        needed = prompts_needed(width, people)
        assert needed is not None
        assert half_width(needed, people) <= width < half_width(needed - 1, people)
    needed = prompts_for_power(0.6, people, 0.8)
    assert needed is not None
    assert power(needed - 1, people, 0.6) < 0.8 <= power(needed, people, 0.6)


def test_no_number_of_prompts_makes_up_for_few_labelers_who_differ() -> None:
    assert prompts_needed(0.03, People(1, 2, 1.0)) is None
    found = plan(Plan(rate=0.55, labelers=2, labeler_effect=1.0))
    assert found["prompts_needed"] is None
    assert found["prompts_for_half_width"]["0.03"] is None


def test_a_plan_says_what_it_assumed() -> None:
    found = plan(Plan(versions=4, pairs="all", labels=3, labelers=2))
    assert found["comparisons"] == 100 * 6 * 3
    assert found["assumed"]["labelers"] == 3  # nobody gives two of a pair's labels
    assert found["assumed"]["labeler_effect"] == LABELER_EFFECT


@pytest.mark.parametrize(("labelers", "effect"), [(3, 0.0), (5, 0.5)])
def test_plans_come_true(labelers: int, effect: float) -> None:
    # Log-odds of 1.25 among prompts whose log-odds vary by 2.5 make a rate of 0.66.
    chance, runs = np.random.default_rng(labelers), 300
    prompts = np.repeat(np.arange(100), 2)
    who = np.concatenate([chance.permutation(labelers)[:2] for _ in range(100)])
    leaning = (
        1.25
        + chance.normal(0, 2.5, (runs, 100))[:, prompts]
        + chance.normal(0, 1, (runs, labelers))[:, who] * effect
        + chance.logistic(0, 1, (runs, len(prompts)))
    )
    clusters = Clusters.of(prompts, who)
    found = [rate(row, clusters) for row in (leaning > 0).astype(float)]
    told = np.mean([one.low > 0.5 for one in found if one])
    assert power(100, People(2, labelers, effect), 0.66) == pytest.approx(told, abs=0.08)
