"""Abilities are fitted from rankings, kept with their intervals, and shown in words."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from accounts.models import User
from labeling.models import LabelerFigures
from labeling.people import ability_reads
from labeling.people.agreement_figures import Overlap, Said
from labeling.people.people_reads import people


def overlap(chance: np.random.Generator, crew: dict[int, float], k: int = 4) -> Overlap:
    """A task that all of a crew ranked, each with so much noise."""
    quality = chance.normal(0, 1, k)
    said = []
    for labeler, noise in crew.items():
        ranks = (-(quality + chance.normal(0, noise, k))).argsort().argsort() + 1
        said.append(
            Said(labeler, "training", "", date(2026, 3, 4), ranks.tolist(), [frozenset()] * k)
        )
    return Overlap("chat", "en", said)


def test_who_ranks_at_random_has_no_ability() -> None:
    chance, crew = np.random.default_rng(1), {7: 0.7, 11: 0.7, 12: 0.7, 30: 50.0}
    found = ability_reads.fit_of([overlap(chance, crew) for _ in range(150)], [*crew])
    assert found.abilities[:3].min() > 0.6
    assert abs(found.abilities[3]) < 0.2
    assert found.interval(3).high < 0.6


def test_pairs_that_are_tied_tell_nothing() -> None:
    tied = Said(1, "training", "", date(2026, 3, 4), [1, 1], [frozenset()] * 2)
    other = Said(2, "training", "", date(2026, 3, 4), [1, 2], [frozenset()] * 2)
    found = ability_reads.fit_of([Overlap("chat", "en", [tied, other])], [1, 2])
    assert found.abilities.tolist() == pytest.approx([1, 1], abs=0.01)


def test_abilities_are_kept_and_told(ada: User, ben: User, monkeypatch: pytest.MonkeyPatch) -> None:
    cyd = User.objects.create(username="cyd", role="labeler")
    chance, crew = np.random.default_rng(2), {ada.pk: 0.7, ben.pk: 0.7, cyd.pk: 50.0}
    tasks = [overlap(chance, crew) for _ in range(150)]
    monkeypatch.setattr(ability_reads, "overlaps", lambda: tasks)
    assert ability_reads.refit() == 3
    first = list(LabelerFigures.objects.order_by("labeler").values_list("ability", flat=True))
    assert ability_reads.refit() == 3
    again = list(LabelerFigures.objects.order_by("labeler").values_list("ability", flat=True))
    assert again == pytest.approx(first, abs=0.02)
    worst, *others = people()
    assert worst.name == "cyd" and worst.ability is not None and worst.ability.estimate < 0.3
    assert "little better than a guess" in worst.news[0].says
    assert not any("guess" in news.says for one in others for news in one.news)


def test_where_nothing_overlaps_nothing_is_fitted(ada: User) -> None:
    assert ability_reads.refit() == 0
    assert not LabelerFigures.objects.exists()
