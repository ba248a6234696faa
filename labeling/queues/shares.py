"""Sharing out places by weight. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=str)

USE_CASES: Mapping[str, float] = {
    "generation": 45.6,
    "open_qa": 12.4,
    "brainstorming": 11.2,
    "chat": 8.4,
    "rewrite": 6.6,
    "summarization": 4.2,
    "classification": 3.5,
    "other": 3.5,
    "closed_qa": 2.6,
    "extract": 1.9,
}
"""Ouyang et al. 2022, Table 1: how often each use case is among API prompts, in per cent."""


def apportioned(
    weights: Mapping[Name, float], total: int, given: Mapping[Name, int] | None = None
) -> Counter[Name]:
    """`total` places by weight, each to whoever is furthest below its share.

    `given` counts places that were shared out before and weigh in; the answer holds the new ones.
    """
    before = given or {}
    new: Counter[Name] = Counter()
    for _ in range(total if weights else 0):
        new[
            min(weights, key=lambda name: (before.get(name, 0) + new[name] + 1) / weights[name])
        ] += 1
    return new
