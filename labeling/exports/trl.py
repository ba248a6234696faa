"""The conversational datasets of TRL's trainers, as its page "Dataset formats" describes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labeling.exports import whole
from labeling.exports.whole import MESSAGES

Row = dict[str, Any]

CHAT = {"messages": MESSAGES}
COMPLETION = {"prompt": MESSAGES, "completion": MESSAGES}
DPO = {"prompt": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES}
PREFERENCE = {**DPO, "margin": "double"}
LIKED = {**COMPLETION, "label": "bool"}

# What a rating from 1 to 7 says of an answer in itself.
_OPINIONS = (None, False, False, False, None, True, True, True)


def chat(row: Row) -> Iterator[Row]:
    """`{messages}`, the demonstration as the assistant's last turn."""
    yield {"messages": [*row["messages"], _said(row["response"])]}


def completion(row: Row) -> Iterator[Row]:
    """`{prompt, completion}` for SFTTrainer, whose loss is then the completion's alone."""
    yield {"prompt": row["messages"], "completion": [_said(row["response"])]}


def preference(row: Row) -> Iterator[Row]:
    """`{prompt, chosen, rejected, margin}` for RewardTrainer."""
    for pair in whole.compared(row):
        yield _pair(pair) | {"margin": float(pair["margin"])}


def dpo(row: Row) -> Iterator[Row]:
    """`{prompt, chosen, rejected}` for DPOTrainer."""
    return map(_pair, whole.compared(row))


def liked(row: Row) -> Iterator[Row]:
    """`{prompt, completion, label}` for KTOTrainer, which asks whether an answer is good in itself.

    That is what the rating says: above the middle of its scale yes, below it no; the middle, or
    none, says neither and gives no line. Answers that came in liked or not go out so.
    """
    by_rating = [rating and _OPINIONS[rating] for rating in row["ratings"]]
    for text, is_liked in zip(row["completions"], row.get("liked", by_rating), strict=True):
        if is_liked is not None:
            yield {"prompt": row["messages"], "completion": [_said(text)], "label": is_liked}


def _pair(pair: Row) -> Row:
    return {
        "prompt": pair["messages"],
        "chosen": [_said(pair["chosen"])],
        "rejected": [_said(pair["rejected"])],
    }


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
