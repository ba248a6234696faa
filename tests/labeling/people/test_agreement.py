"""Agreement against published examples, loops and drawn rankings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np
import pytest

from labeling.people.agreement import (
    Agreement,
    across,
    among,
    between,
    ordinal_alpha,
    ranking_alpha,
)
from tests.shared_data import rows

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C: four observers.
OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)


def test_agreement_counts_what_neither_ties() -> None:
    assert between([1, 2, 3], [1, 3, 2]) == Agreement(2, 3)
    assert between([1, 1, 2], [2, 1, 3]) == Agreement(2, 2)
    assert between([1, 1], [1, 2]).rate is None


def test_agreement_adds_up_over_labelers_and_tasks() -> None:
    one = among([[1, 2], [1, 2], [2, 1]])
    assert (one.agreed, one.total) == (1, 3)
    found = across([one, between([1, 2], [1, 2]), between([1, 1], [1, 2])])
    assert (found.agreed, found.total, len(found.tasks)) == (2, 4, 2)
    assert found.rate == 0.5


def test_without_comparisons_there_is_no_rate_and_from_one_task_no_interval() -> None:
    assert across([]).interval is None and across([]).rate is None
    alone = across([Agreement(30, 36)]).interval
    assert alone is not None and (alone.low, alone.high) == (0, 1)


def test_the_interval_of_an_agreement_is_wilsons_where_tasks_have_one_comparison() -> None:
    found = across([Agreement(1, 1)] * 73 + [Agreement(0, 1)] * 27).interval
    assert found is not None
    # Wilson's of 73 in 100 is 0.636 to 0.807; Student's quantile makes it a little wider.
    assert (found.low, found.high) == (
        pytest.approx(0.634, abs=1e-3),
        pytest.approx(0.809, abs=1e-3),
    )


def test_copies_within_a_task_add_no_certainty() -> None:
    once = [Agreement(1, 1), Agreement(0, 1), Agreement(1, 1), Agreement(1, 1)]
    many = [Agreement(36 * task.agreed, 36) for task in once]
    one, other = across(once).interval, across(many).interval
    assert one is not None and other is not None
    assert (one.low, one.high) == (pytest.approx(other.low), pytest.approx(other.high))


def ranked(chance: np.random.Generator, labelers: int, k: int, noise: float) -> list[list[int]]:
    quality = chance.normal(0, 1, k) * chance.gamma(2, 0.5)
    seen = quality + chance.normal(0, noise, (labelers, k))
    return (seen.argsort(axis=1).argsort(axis=1) + 1).tolist()


def test_the_interval_covers_the_truth_where_pairs_as_independent_do_not() -> None:
    chance = np.random.default_rng(3)
    truth = across(among(ranked(chance, 2, 6, 1.0)) for _ in range(20_000)).rate
    assert truth is not None
    covered, taken_as_independent = [], []
    for _ in range(300):
        found = across(among(ranked(chance, 3, 6, 1.0)) for _ in range(40)).interval
        assert found is not None
        covered.append(found.low <= truth <= found.high)
        error = (found.estimate * (1 - found.estimate) / (40 * 45)) ** 0.5
        taken_as_independent.append(abs(found.estimate - truth) <= 1.96 * error)
    assert 0.91 <= np.mean(covered) <= 0.99
    assert np.mean(taken_as_independent) < 0.9


def test_alpha_is_krippendorffs() -> None:
    columns = zip(*(said.split() for said in OBSERVERS), strict=True)
    units = [[int(value) for value in column if value != "."] for column in columns]
    assert ordinal_alpha(units) == pytest.approx(0.815, abs=5e-4)


def by_loops(units: Sequence[Sequence[float]]) -> float:
    """α from its definition: mean squared ordinal distance of pairs within units, over that of all
    pairs of values."""
    units = [unit for unit in units if len(unit) > 1]
    said = [value for unit in units for value in unit]

    def distance(one: float, other: float) -> float:
        low, high = sorted((one, other))
        between = sum(low <= value <= high for value in said)
        return (between - (said.count(low) + said.count(high)) / 2) ** 2

    within = sum(
        distance(a, b) / (len(unit) - 1) for unit in units for a, b in permutations(unit, 2)
    )
    among_all = sum(2 * distance(a, b) for a, b in combinations(said, 2))
    return 1 - within / len(said) / (among_all / len(said) / (len(said) - 1))


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_what_loops_find(seed: int) -> None:
    rng = random.Random(seed)
    units = [[rng.choice((1, 2, 2.5, 3, 7)) for _ in range(rng.randint(1, 5))] for _ in range(30)]
    assert ordinal_alpha(units) == pytest.approx(by_loops(units))


def test_alpha_is_one_where_all_agree_and_about_zero_by_chance() -> None:
    alike = [[[1, 2, 2, 4]] * 3, [[2, 1, 3, 4]] * 2]
    found = ranking_alpha(alike)
    assert found is not None and found.estimate == pytest.approx(1)
    rng = random.Random(0)
    guessed = [[rng.sample(range(1, 5), 4) for _ in range(2)] for _ in range(300)]
    chance = ranking_alpha(guessed)
    assert chance is not None and chance.low < 0 < chance.high
    assert chance.high - chance.low < 0.3


def test_ties_and_the_number_of_completions_do_not_move_alphas_scale() -> None:
    # The last of four is the last, whether ties before it make its rank 4 or 2.
    assert ranking_alpha([[[1, 1, 1, 2], [1, 1, 1, 4]]]) == ranking_alpha(
        [[[1, 1, 1, 2], [1, 1, 1, 2]]]
    )
    opposite = ranking_alpha([[[1, 2, 3], [3, 2, 1]], [[1, 2], [2, 1]]])
    assert opposite is not None and opposite.estimate < -0.4


def test_where_nothing_can_be_told_there_is_no_alpha() -> None:
    assert ranking_alpha([]) is None
    assert ranking_alpha([[[1, 2, 3]]]) is None
    assert ranking_alpha([[[1, 1], [1, 1]]]) is None
    alone = ranking_alpha([[[1, 2], [1, 2]]])
    assert alone is not None and (alone.low, alone.high) == (-1, 1)


def test_alpha_covers_the_truth() -> None:
    chance = np.random.default_rng(5)
    truth = ranking_alpha([ranked(chance, 2, 4, 1.0) for _ in range(5000)])
    assert truth is not None
    drawn = [ranking_alpha([ranked(chance, 2, 4, 1.0) for _ in range(40)]) for _ in range(200)]
    covered = [one.low <= truth.estimate <= one.high for one in drawn if one]
    assert 0.91 <= np.mean(covered) <= 0.99


def test_pandalms_annotators_agree_as_their_authors_found() -> None:
    # Published: pairwise Cohen's κ of 0.85, 0.86 and 0.88 on the whole set of 1,000.
    tasks = [[said["ranks"] for said in row["annotations"]] for row in rows("pandalm/pairs")]
    rate, alpha = across(map(among, tasks)).interval, ranking_alpha(tasks)
    assert rate is not None and alpha is not None
    assert len(tasks) == 592
    assert rate.estimate > 0.95
    assert 0.8 < alpha.low < alpha.estimate < alpha.high < 0.95
