"""Labelers' abilities, fitted from the newest tasks that more than one has ranked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from django.db import transaction

from labeling.models import LabelerFigures
from labeling.people.ability import Fit, fit
from labeling.people.agreement_figures import Overlap
from labeling.people.agreement_reads import overlaps


def refit() -> int:
    """Fit abilities anew, beginning where they stand, and keep them; returns of how many labelers.

    Those who are in none of the newest tasks keep what they had.
    """
    tasks = overlaps()
    crew = sorted({said.labeler for task in tasks for said in task.said})
    if not crew:
        return 0
    known = dict(LabelerFigures.objects.values_list("labeler", "ability"))
    before = np.array([1.0 if known.get(pk) is None else known[pk] for pk in crew])
    _keep(crew, fit_of(tasks, crew, before=Fit(before, np.ones(len(crew)), 0)))
    return len(crew)


def fit_of(tasks: Sequence[Overlap], crew: Sequence[int], before: Fit | None = None) -> Fit:
    """The fit of these rankings, in the order of `crew`; pairs that a labeler ties tell nothing."""
    place = {pk: number for number, pk in enumerate(crew)}
    rows = [
        (said.ranks[a] < said.ranks[b], task, pair, place[said.labeler])
        for task, overlap in enumerate(tasks)
        for said in overlap.said
        for pair, (a, b) in enumerate(combinations(range(len(said.ranks)), 2))
        if said.ranks[a] != said.ranks[b]
    ]
    won, of_task, pairs, labelers = np.array(rows, int).reshape(-1, 4).T
    apart = int(pairs.max(initial=0)) + 1
    return fit(
        won == 1, of_task * apart + pairs, labelers, crew=len(crew), tasks=of_task, before=before
    )


@transaction.atomic
def _keep(crew: Sequence[int], found: Fit) -> None:
    for number, labeler in enumerate(crew):
        interval = found.interval(number)
        LabelerFigures.objects.update_or_create(
            labeler_id=labeler,
            defaults={
                "ability": interval.estimate,
                "ability_low": interval.low,
                "ability_high": interval.high,
            },
        )
