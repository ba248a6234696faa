"""Labels with everything that may leave: rows as they enter a snapshot, and pairs of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from labeling import selectors
from labeling.models import LabelerProfile
from labeling.preferences import pairs as pairs_of

Row = dict[str, Any]


def demonstrations(split: str) -> Iterator[Row]:
    """`{id, split, messages, response, labeler}`."""
    return _leaving(selectors.training_demonstrations(), split)


def rankings(split: str) -> Iterator[Row]:
    """`{id, split, messages, completions, ranks, labeler}`; 1 is best, equal ranks are a tie."""
    return _leaving(selectors.training_rankings(), split)


def pairs(split: str) -> Iterator[Row]:
    """`{id, split, messages, chosen, rejected, margin, labeler}`, a line a comparison.

    `margin` is the number of tiers between the two; ties give no line.
    """
    for row in rankings(split):
        completions, ranks = row.pop("completions"), row.pop("ranks")
        for better, worse in pairs_of(ranks):
            yield row | {
                "chosen": completions[better],
                "rejected": completions[worse],
                "margin": ranks[worse] - ranks[better],
            }


def _leaving(rows: Iterable[Row], split: str) -> Iterator[Row]:
    for row in rows:
        group = row.pop("group")
        if row["split"] == split and group == LabelerProfile.Group.TRAINING:
            yield row
