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

_MIDDLE_RATING = 4


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

    That is what the rating says: above the middle of its scale yes, below it no; the middle says
    neither and gives no line.
    """
    for text, rating in zip(row["completions"], row["ratings"], strict=True):
        if rating != _MIDDLE_RATING:
            yield {
                "prompt": row["messages"],
                "completion": [_said(text)],
                "label": rating > _MIDDLE_RATING,
            }


def _pair(pair: Row) -> Row:
    return {
        "prompt": pair["messages"],
        "chosen": [_said(pair["chosen"])],
        "rejected": [_said(pair["rejected"])],
    }


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
