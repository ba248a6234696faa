"""Labels with everything that may leave, and the pairs of a ranking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labeling.work.preferences import pairs as pairs_of

Row = dict[str, Any]

MESSAGES = "list<struct<role: string, content: string>>"
_LABEL = {
    "id": "string",
    "split": "string",
    "messages": MESSAGES,
    "use_case": "string",
    "guideline": "int64",
    "active_seconds": "int64",
    "created_at": "string",
    "labeler": "string",
}
DEMONSTRATION = {**_LABEL, "response": "string"}
RANKING = {
    **_LABEL,
    "form": "int64",
    "completions": "list<string>",
    "finished": "list<bool>",
    "ranks": "list<int64>",
    "ratings": "list<int64>",
    "flags": "list<list<string>>",
    "policies": "list<string>",
}
PAIR = {**_LABEL, "chosen": "string", "rejected": "string", "margin": "int64"}


def unchanged(row: Row) -> Iterator[Row]:
    """The label as it stands: a ranking's lists run over its completions, 1 is the best rank,
    equal ranks are a tie, ratings go from 1 to 7; one that is not finished was cut at a limit."""
    yield row


def compared(row: Row) -> Iterator[Row]:
    """`{…, chosen, rejected, margin}`, a line a comparison of a ranking.

    `margin` is the number of tiers between the two; ties give no line.
    """
    completions, ranks = row["completions"], row["ranks"]
    for better, worse in pairs_of(ranks):
        yield row | {
            "chosen": completions[better],
            "rejected": completions[worse],
            "margin": ranks[worse] - ranks[better],
        }
