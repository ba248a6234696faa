"""One row of an import, an API call or a labeler's form → a `NewPrompt`, or what is wrong with it.

Pure apart from the names of kinds and use cases. A row has `messages` (a list of {role, content}
that ends with the user's) or `prompt` or `text`, or for few-shot prompts `instruction` and
`examples`; and if it likes `author`, `organisation`, `use_case`, `kind`, `topic`, `language`. In a
file it may have an `id` of its own as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labeling.intake import texts
from labeling.intake.few_shot import as_text
from labeling.models import Prompt, UseCase

ROLES = ("system", "user", "assistant")
_MOST_OF_A_NAME = 200
_KINDS, _USE_CASES = Prompt.Kind.values, UseCase.values
_SHORT_FIELDS = {"topic": 40, "language": 8, "author": 200, "organisation": 200}


class RowError(ValueError):
    """Why a row cannot become a prompt, and which field says so."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}".lstrip())
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class NewPrompt:
    """A checked prompt that is not stored yet."""

    messages: list[dict[str, str]]
    kind: str = Prompt.Kind.PLAIN
    instruction: str = ""
    examples: list[dict[str, str]] = field(default_factory=list)
    use_case: str = UseCase.OTHER
    topic: str = ""
    language: str = ""
    author: str = ""
    organisation: str = ""


def name_of(row: Any) -> str:
    """What the row calls itself: its `id`, or nothing. Raises RowError."""
    name = row.get("id") if isinstance(row, Mapping) else None
    if name is None or name == "":
        return ""
    if not isinstance(name, str | int) or not texts.keepable(name):
        raise RowError("id", "must be a text or a number")
    if len(str(name)) > _MOST_OF_A_NAME:
        raise RowError("id", f"is longer than {_MOST_OF_A_NAME} characters")
    return str(name)


def parse(row: Any) -> NewPrompt:
    """The prompt in a row. Raises RowError, which names the field."""
    if not isinstance(row, Mapping):
        raise RowError("row", "must be an object with the fields of a prompt")
    kind = _choice(row, "kind", _KINDS, Prompt.Kind.PLAIN)
    instruction, examples = _few_shot(row, kind)
    return NewPrompt(
        messages=_messages(row, instruction, examples),
        kind=kind,
        instruction=instruction,
        examples=examples,
        use_case=_choice(row, "use_case", _USE_CASES, UseCase.OTHER),
        **{name: _short(row, name, limit) for name, limit in _SHORT_FIELDS.items()},
    )


def _messages(
    row: Mapping[str, Any], instruction: str, examples: list[dict[str, str]]
) -> list[dict[str, str]]:
    if row.get("messages"):
        return _conversation(_decoded(row["messages"], "messages"))
    if examples:
        return _said(as_text(instruction, examples[:-1], examples[-1]["input"]))
    for name in ("prompt", "text", "instruction"):
        if name in row:
            return _said(_text(row[name], name))
    raise RowError("messages", "is missing; give messages, prompt or text")


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _conversation(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise RowError("messages", "must be a list of {role, content}")
    turns = [_turn(turn, f"messages[{place}]") for place, turn in enumerate(value)]
    if turns[-1]["role"] != "user":
        raise RowError("messages", "must end with a message of the user")
    return turns


def _turn(turn: Any, name: str) -> dict[str, str]:
    if not isinstance(turn, Mapping) or turn.get("role") not in ROLES:
        raise RowError(f"{name}.role", f"must be one of {', '.join(ROLES)}")
    return {"role": turn["role"], "content": _text(turn.get("content"), f"{name}.content")}


def _few_shot(row: Mapping[str, Any], kind: str) -> tuple[str, list[dict[str, str]]]:
    if kind != Prompt.Kind.FEW_SHOT:
        return "", []
    instruction = _text(row.get("instruction"), "instruction")
    pairs = _decoded(row.get("examples"), "examples")
    if not isinstance(pairs, list) or len(pairs) < 2:
        raise RowError("examples", "must be at least two {input, output} pairs")
    return instruction, [_pair(pair, f"examples[{place}]") for place, pair in enumerate(pairs)]


def _pair(pair: Any, name: str) -> dict[str, str]:
    if not isinstance(pair, Mapping):
        raise RowError(name, "must be an {input, output} pair")
    return {side: _text(pair.get(side), f"{name}.{side}") for side in ("input", "output")}


def _decoded(value: Any, name: str) -> Any:
    """Lists stand as JSON in a CSV cell."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise RowError(name, "is not JSON") from None


def _text(value: Any, name: str) -> str:
    if reason := texts.fault(value):
        raise RowError(name, reason)
    return str(value)


def _short(row: Mapping[str, Any], name: str, limit: int) -> str:
    value = row.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not texts.keepable(value):
        raise RowError(name, "must be a text")
    if len(value) > limit:
        raise RowError(name, f"is longer than {limit} characters")
    return value.strip()


def _choice(row: Mapping[str, Any], name: str, known: list[str], default: str) -> str:
    value = row.get(name) or default
    if value not in known:
        raise RowError(name, f"{str(value)[:60]!r} is unknown; it is one of {', '.join(known)}")
    return str(value)
