"""The texts a prompt consists of, each under its name. Pure functions.

`messages.0` is the first message's content, `instruction` and `examples.1.output` stand in a
few-shot prompt. Messages that are only the few-shot prompt told once more are no parts of their
own: they follow when its instruction or an example changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from labeling.intake.few_shot import as_text, is_told_by

Turns = list[dict[str, str]]


class Texts(Protocol):
    """What has the texts of a prompt: a row of an import as well as a stored one."""

    @property
    def messages(self) -> Turns:
        """{role, content}, the last one from the user."""

    @property
    def instruction(self) -> str:
        """Of a few-shot prompt, else empty."""

    @property
    def examples(self) -> Turns:
        """{input, output} pairs of a few-shot prompt."""


def parts(prompt: Texts) -> dict[str, str]:
    """Every text under its name, in the order in which they are read."""
    found = {"instruction": prompt.instruction} if prompt.instruction else {}
    for place, pair in enumerate(prompt.examples):
        found |= {f"examples.{place}.{side}": pair[side] for side in ("input", "output")}
    if not is_told_by(prompt.messages, prompt.instruction, prompt.examples):
        found |= {f"messages.{at}": turn["content"] for at, turn in enumerate(prompt.messages)}
    return found


def changed(prompt: Texts, texts: Mapping[str, str]) -> tuple[Turns, str, Turns]:
    """Messages, instruction and examples with these parts in the place of what was there."""
    told = is_told_by(prompt.messages, prompt.instruction, prompt.examples)
    instruction = texts.get("instruction", prompt.instruction)
    examples = [
        {side: texts.get(f"examples.{place}.{side}", pair[side]) for side in ("input", "output")}
        for place, pair in enumerate(prompt.examples)
    ]
    if told:
        text = as_text(instruction, examples[:-1], examples[-1]["input"])
        return [{"role": "user", "content": text}], instruction, examples
    messages = [
        {**turn, "content": texts.get(f"messages.{at}", turn["content"])}
        for at, turn in enumerate(prompt.messages)
    ]
    return messages, instruction, examples
