"""Ranks and ties: from tiers to ranks, and from ranks to pairs. Pure functions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


def ranks_of(tiers: Sequence[Sequence[Item]]) -> dict[Item, int]:
    """Each item's rank, from tiers listed best first: 1 is best, one tier is a tie."""
    return {item: rank for rank, tier in enumerate(tiers, start=1) for item in tier}


def pairs(ranks: Sequence[int]) -> list[tuple[int, int]]:
    """The comparisons in a ranking as (better, worse) positions; ties give none.

    K ranks without ties give C(K, 2) pairs (Ouyang et al. 2022, section 3.5).
    """
    return [
        (a, b) if ranks[a] < ranks[b] else (b, a)
        for a, b in combinations(range(len(ranks)), 2)
        if ranks[a] != ranks[b]
    ]
