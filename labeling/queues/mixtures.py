"""Mixtures: which versions answer a queue's ranking tasks, and with which weights.

A queue names players of roles ("policy", "sft") or versions by their names, as the paper's
comparisons came from several models at once. When a task is sampled, roles become the versions
that play them at that moment, and the task keeps those.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from core.problems import refuse
from labeling.task_kinds import TASK_KINDS
from models_service.models import Kind, ModelVersion, Promotion
from models_service.selectors import promoted

ROLES = (Promotion.Role.POLICY, Promotion.Role.SFT)


def check(mixture: Any, *, kind: str) -> None:
    """Raise the Problem that a mixture of such tasks has, if any."""
    if not isinstance(mixture, dict):
        refuse("mixture", "A mixture is an object of names and weights.")
    if mixture and not TASK_KINDS[kind].compares:
        refuse("mixture", "Only rankings have completions to mix.")
    for name, weight in mixture.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            refuse("mixture", f"The weight of {name} must be a number.")
        if not 0 < weight < math.inf:
            refuse("mixture", f"The weight of {name} must be above 0.")
    speakers = ModelVersion.objects.exclude(kind=Kind.REWARD).filter(name__in=mixture)
    unknown = mixture.keys() - set(ROLES) - set(speakers.values_list("name", flat=True))
    if unknown:
        name = sorted(unknown)[0]
        refuse("mixture", f"{name} is neither policy, sft nor a version that can speak.")


def settled(mixture: Mapping[str, float]) -> dict[str, float]:
    """The mixture by the ids of versions; a role that nobody plays yet is left out."""
    names = ModelVersion.objects.filter(name__in=mixture).values_list("name", "pk")
    players = {str(role): version.pk for role in ROLES if (version := promoted(role))}
    # A version named like a role gives way to whoever plays it.
    ids: dict[str, int] = dict(names) | players
    weights: dict[str, float] = defaultdict(float)
    for name, weight in mixture.items():
        if name in ids:
            weights[str(ids[name])] += weight
    return dict(weights)
