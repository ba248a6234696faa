"""Rows in the chat format of Hugging Face's data sets → the row of a prompt. Pure.

`conversations` with `from` and `value` are `messages` by another name, and `prompt` may be a list
of messages, as in TRL's preference data. A conversation that ends with an answer is asked up to
there: somebody else's answer is no part of the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_NAMES = ("messages", "conversations", "conversation", "prompt")
_ROLES = {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
}


def as_row(row: Any) -> Any:
    """The row with `messages`, where it has a conversation of any name; else as it is."""
    if not isinstance(row, Mapping):
        return row
    for name in _NAMES:
        turns = _list(row.get(name), name)
        if turns:
            others = {key: value for key, value in row.items() if key not in _NAMES}
            return others | {"messages": _asked([_turn(turn) for turn in turns])}
    return row


def _list(value: Any, name: str) -> list[Any]:
    """Lists stand as JSON in a CSV cell; a prompt's text may begin like one."""
    if isinstance(value, str) and name != "prompt":
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return value if isinstance(value, list) else []


def _turn(turn: Any) -> Any:
    if not isinstance(turn, Mapping):
        return turn
    role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    return {"role": _ROLES.get(str(role), role), "content": _text(content)}


def _text(content: Any) -> Any:
    """Content in parts is text where every part is."""
    if isinstance(content, list) and all(_is_text(part) for part in content):
        return "\n".join(part["text"] for part in content)
    return content


def _is_text(part: Any) -> bool:
    return (
        isinstance(part, Mapping)
        and part.get("type") == "text"
        and isinstance(part.get("text"), str)
    )


def _asked(turns: list[Any]) -> list[Any]:
    """Up to the user's last message; all of them where there is none."""
    for end in range(len(turns), 0, -1):
        if isinstance(turns[end - 1], Mapping) and turns[end - 1]["role"] == "user":
            return turns[:end] if all(_answers(turn) for turn in turns[end:]) else turns
    return turns


def _answers(turn: Any) -> bool:
    return isinstance(turn, Mapping) and turn["role"] == "assistant"
