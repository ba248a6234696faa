"""Labels with everything that may leave, and the pairs of a ranking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labeling.work.preferences import pairs as pairs_of

Row = dict[str, Any]

MESSAGES = "list<struct<role: string, content: string>>"
_LABEL = {
    "id": "string",
    "task_id": "int64",
    "prompt_id": "int64",
    "split": "string",
    "messages": MESSAGES,
    "use_case": "string",
    "topic": "string",
    "language": "string",
    "guideline": "int64",
    "active_seconds": "int64",
    "created_at": "string",
    "labeler": "string",
    "group": "string",
    "round": "int64",
    "row_id": "string",
    "set": "string",
    "licence": "string",
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
    "completion_ids": "list<int64>",
    "versions": "list<int64>",
    "finish_reasons": "list<string>",
    "sampling": "list<string>",
    "seeds": "list<int64>",
    "shown": "list<int64>",
}
EVALUATION = {**RANKING, "purpose": "string", "evaluation": "int64"}
# What a pair says of each of its two, and the list that it stands in.
_SIDES = {
    "completion_id": ("completion_ids", "int64"),
    "policy": ("policies", "string"),
    "version": ("versions", "int64"),
    "rating": ("ratings", "int64"),
    "finish_reason": ("finish_reasons", "string"),
    "sampling": ("sampling", "string"),
    "seed": ("seeds", "int64"),
    "shown": ("shown", "int64"),
}
OF_PAIRS = {
    "ranking_id": "string",
    **{
        f"{side}_{name}": kind
        for side in ("chosen", "rejected")
        for name, (_, kind) in _SIDES.items()
    },
}
PAIR = {
    **_LABEL,
    "form": "int64",
    "chosen": "string",
    "rejected": "string",
    "margin": "int64",
    **OF_PAIRS,
}


def unchanged(row: Row) -> Iterator[Row]:
    """The label as it stands: a ranking's lists run over its completions, 1 is the best rank,
    equal ranks are a tie, ratings go from 1 to 7; one that is not finished was cut at a limit."""
    yield row


def judged(row: Row) -> Iterator[Row]:
    """A ranking of an evaluation; `purpose` tells it from one to be trained on."""
    yield row | {"purpose": "evaluation"}


def compared(row: Row) -> Iterator[Row]:
    """`{…, chosen, rejected, margin}`, a line a comparison of a ranking.

    `margin` is the number of tiers between the two; ties give no line. The id is the ranking's and
    the places of the two in sampling order; a pair that came in as one keeps all that it said.
    """
    came = {name: row[name] for name in ("id", *OF_PAIRS) if "ranking_id" in row}
    completions, ranks = row["completions"], row["ranks"]
    for better, worse in pairs_of(ranks):
        sides = (("chosen", better), ("rejected", worse))
        yield row | {
            "id": f"{row['id']}-{better}-{worse}",
            "ranking_id": row["id"],
            "chosen": completions[better],
            "rejected": completions[worse],
            "margin": ranks[worse] - ranks[better],
            **{
                f"{side}_{name}": row[of][place]
                for side, place in sides
                for name, (of, _) in _SIDES.items()
            },
            **came,
        }
