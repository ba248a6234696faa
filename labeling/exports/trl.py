"""TRL's conversational datasets: `messages` for SFTTrainer, preferences for RewardTrainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labeling.exports import whole

Row = dict[str, Any]


def demonstrations(split: str) -> Iterator[Row]:
    """`{messages}`, the demonstration as the assistant's last turn."""
    for row in whole.demonstrations(split):
        yield {"messages": [*row["messages"], _said(row["response"])]}


def pairs(split: str) -> Iterator[Row]:
    """`{prompt, chosen, rejected, margin}`, each of the three a list of messages."""
    for row in whole.pairs(split):
        yield {
            "prompt": row["messages"],
            "chosen": [_said(row["chosen"])],
            "rejected": [_said(row["rejected"])],
            "margin": float(row["margin"]),
        }


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
