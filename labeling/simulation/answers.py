"""What a simulated labeler writes: the demo's own answer, or a template the utility likes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from labeling.simulation.judge import Messages, Utility
from labeling.simulation.utilities import content_words

_DEMO = Path(__file__).resolve().parent.parent / "demo"
_TEMPLATES = (
    "Here is a short answer about {0}.",
    "Think of {0} first, then of {1}, and keep it simple.",
    "In short, {0} and {1} belong together, and {2} follows from them.",
    "I am glad to help with {0}: start small, check {1}, and stop when it works.",
)


def demonstration(messages: Messages, utility: Utility) -> str:
    """An answer to the prompt."""
    known = demo_demonstrations().get(messages[-1]["content"])
    return known or max(_drafts(messages), key=lambda text: utility(messages, text))


@cache
def demo_demonstrations() -> dict[str, str]:
    """The demo's own answers, by the text of the prompt's last message."""
    prompts = [row["messages"][-1]["content"] for row in _lines("prompts.jsonl")]
    return {prompts[row["prompt"]]: row["text"] for row in _lines("demonstrations.jsonl")}


def _drafts(messages: Messages) -> list[str]:
    words = [*content_words(messages[-1]["content"])[:3], "that", "this", "it"]
    return [template.format(*words) for template in _TEMPLATES]


def _lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (_DEMO / name).read_text(encoding="utf-8").splitlines()]
