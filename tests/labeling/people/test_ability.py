"""Ability against an independent fit, and over crews of whom it is known how good they are."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.people.ability import Fit, fit
from labeling.people.suspects import Sign, one_sided, suspects
from labeling.simulation.crews import Comparisons, Kind, draw, mixed

# Three labelers on twelve pairs, 1 where the first completion won.
SAID = (
    [0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0],
    [0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1],
    [1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0],
)
# The same posterior maximised by scipy.optimize (BFGS) with 4,001 points for each margin.
FOUND = [0.456285, 1.406054, -0.524291]


def fit_of(drawn: Comparisons, crew: int, before: Fit | None = None, part: int = -1) -> Fit:
    """A fit in which the completion with the lower number is the first of its pair."""
    low = np.minimum(drawn.firsts, drawn.others)
    taken = slice(None) if part < 0 else slice(None, None, part)
    return fit(
        (drawn.winners == low)[taken],
        (low // 2)[taken],
        drawn.labelers[taken],
        crew=crew,
        before=before,
    )


def test_abilities_are_those_of_an_independent_fit() -> None:
    won = np.array(SAID).T.reshape(-1) == 1
    pairs, labelers = np.repeat(np.arange(12), 3), np.tile(np.arange(3), 12)
    found = fit(won, pairs, labelers, crew=3)
    assert found.abilities == pytest.approx(FOUND, abs=0.01)
    # In another order, and turned around, it is the same.
    order = np.random.default_rng(0).permutation(36)
    again = fit(~won[order], pairs[order] + 5, labelers[order], crew=3)
    assert again.abilities == pytest.approx(found.abilities, abs=1e-3)
    assert again.variances == pytest.approx(found.variances, rel=0.02)


def test_experts_usual_labelers_and_spammers_are_told_apart() -> None:
    crew = [Kind.HONEST] * 12 + [Kind.EXPERT] * 2 + [Kind.SPAMMER] * 3
    found = np.mean([fit_of(draw(crew, each=400, seed=n), 17).abilities for n in range(5)], axis=0)
    assert found[:12].mean() == pytest.approx(1.06, abs=0.12)
    assert found[12:14].mean() > 1.6
    assert abs(found[14:].mean()) < 0.12


def test_the_interval_of_a_spammer_holds_nought() -> None:
    crew = [Kind.HONEST] * 8 + [Kind.SPAMMER] * 4
    held = []
    for seed in range(40):
        found = fit_of(draw(crew, each=100, seed=seed), 12)
        held += [found.interval(n).low <= 0 <= found.interval(n).high for n in range(8, 12)]
    assert 0.88 <= np.mean(held) <= 1


def test_it_goes_on_from_what_was_found_before() -> None:
    crew = [Kind.HONEST] * 10 + [Kind.SPAMMER] * 2
    drawn = draw(crew, each=300, seed=1)
    first = fit_of(drawn, 12, part=2)
    alone, further = fit_of(drawn, 12), fit_of(drawn, 12, before=first)
    assert further.abilities == pytest.approx(alone.abilities, abs=0.02)
    assert further.rounds < alone.rounds


def test_who_said_nothing_is_taken_for_usual_and_is_unsure() -> None:
    found = fit(np.array([True, True]), np.array([0, 0]), np.array([0, 1]), crew=3)
    interval = found.interval(2)
    assert interval.estimate == 1 and interval.high - interval.low > 3.9


def test_whose_pairs_share_completions_is_less_sure() -> None:
    drawn = draw([Kind.HONEST] * 6, each=60, seed=3)
    low = np.minimum(drawn.firsts, drawn.others)
    once = fit(drawn.winners == low, low // 2, drawn.labelers, crew=6)
    won, pairs = np.tile(drawn.winners == low, 3), np.tile(low // 2, 3)
    pairs = pairs + np.repeat(np.arange(3), len(low)) * 10_000
    labelers, tasks = np.tile(drawn.labelers, 3), np.tile(low // 2, 3)
    copies = fit(won, pairs, labelers, crew=6, tasks=tasks)
    alone = fit(won, pairs, labelers, crew=6)
    assert (copies.variances > 1.8 * alone.variances).all()
    assert (copies.variances < 2 * once.variances).all()


def test_spammers_are_found_within_thirty_labels() -> None:
    """In docs/people.md: 60 crews of 20 with four bad ones of three kinds."""
    right = wrong = missed = 0
    for seed in range(60):
        crew = mixed(20, seed=seed)
        drawn = draw(crew, each=30, overlap=5, seed=seed)
        of = suspects(fit_of(drawn, 20), drawn.labelers, drawn.first_won, drawn.seconds < 12)
        named, bad = {one.labeler for one in of}, {n for n, kind in enumerate(crew) if kind.is_bad}
        right += len(named & bad)
        wrong += len(named - bad)
        missed += len(bad - named)
    assert right / (right + wrong) > 0.8
    assert right / (right + missed) > 0.9


def test_each_sign_is_told() -> None:
    crew = [Kind.HONEST] * 15 + [Kind.SPAMMER, Kind.FAST_CLICKER, Kind.POSITION_BIASED]
    drawn = draw(crew, each=200, seed=2)
    found = suspects(fit_of(drawn, 18), drawn.labelers, drawn.first_won, drawn.seconds < 12)
    signs = {one.labeler: one.signs for one in found}
    assert Sign.GUESSES in signs[15]
    assert {Sign.GUESSES, Sign.TOO_FAST} <= {*signs[16]}
    assert Sign.ONE_PLACE in signs[17]
    assert not set(signs) & set(range(15))


def test_one_place_is_chosen_by_chance_as_often_as_a_coin_says() -> None:
    assert one_sided(5, 10) == 1
    assert one_sided(10, 10) == pytest.approx(2 / 1024)
    assert one_sided(15, 20) == pytest.approx(0.0414, abs=1e-4)  # a table of the binomial
