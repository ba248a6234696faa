"""Few-shot prompts: their text, and their expansion into examples for supervised training.

Pure functions. An instruction with n query/response pairs becomes several examples, each with
another subset of the pairs as context (Ouyang et al. 2022, appendix A.1).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

Pair = Mapping[str, str]


def as_text(instruction: str, context: Sequence[Pair], query: str) -> str:
    """The prompt a model reads: the instruction, solved pairs, and the query left open."""
    solved = [f"Input: {pair['input']}\nOutput: {pair['output']}" for pair in context]
    return "\n\n".join([instruction, *solved, f"Input: {query}\nOutput:"])


def is_told_by(
    messages: Sequence[Mapping[str, str]], instruction: str, pairs: Sequence[Pair]
) -> bool:
    """Whether the messages are just the instruction, all pairs but the last, and its open query."""
    if not pairs:
        return False
    told = as_text(instruction, pairs[:-1], pairs[-1]["input"])
    return list(messages) == [{"role": "user", "content": told}]


def expanded(instruction: str, pairs: Sequence[Pair], seed: int) -> Iterator[tuple[str, str]]:
    """(prompt, response) for every pair, with a random subset of the others as its context.

    The subset's size is drawn evenly from 0 to n - 1; the same seed gives the same examples.
    """
    chance = random.Random(seed)
    for number, pair in enumerate(pairs):
        others = [other for place, other in enumerate(pairs) if place != number]
        context = chance.sample(others, chance.randint(0, len(others)))
        yield as_text(instruction, context, pair["input"]), pair["output"]
