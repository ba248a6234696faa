"""Conversations, whichever way a data set writes them → `[{role, content}]`. Pure.

Lists of turns (`role` or `from`; `content`, `value` or `text`), transcripts of `Human:` and
`Assistant:`, and plain texts, which are the user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from labeling.intake.rows import RowError

Turns = list[dict[str, str]]

_ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "model": "assistant",
}  # fmt: skip
_TOOLS = {"tool", "function", "function_call", "observation", "ipython", "environment"}
# As Bai et al. 2022 publish their dialogues.
_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant):[ ]?")
_BEGINS = re.compile(r"\s*(?:Human|Assistant):")
_SPOKEN = {"Human": "user", "Assistant": "assistant"}


def turns_of(value: Any, name: str) -> Turns:
    """The turns that a value holds. Raises RowError."""
    value = decoded(value)
    if isinstance(value, str):
        return transcript(value) if _BEGINS.match(value) else [said("user", value)]
    if not isinstance(value, list) or not value:
        raise RowError(name, "must be a text or a list of turns")
    turns = [_turn(turn, f"{name}[{place}]") for place, turn in enumerate(value)]
    return [turn for turn in turns if turn["content"] or turn["role"] != "system"]


def split_answer(turns: Turns, name: str) -> tuple[Turns, str]:
    """A conversation parted into what is asked and the answer at its end. Raises RowError."""
    if not turns or turns[-1]["role"] != "assistant":
        raise RowError(name, "has no answer of the assistant at its end")
    if len(turns) < 2 or turns[-2]["role"] != "user":
        raise RowError(name, "has an answer without a prompt")
    return turns[:-1], turns[-1]["content"]


def asked(turns: Turns, name: str) -> Turns:
    """A prompt's turns: the opening of an answer that is to come is left out."""
    if turns and turns[-1] == said("assistant", ""):
        turns = turns[:-1]
    if not turns or turns[-1]["role"] != "user":
        raise RowError(name, "must end with a message of the user")
    return turns


def is_transcript(value: Any) -> bool:
    """Whether it is a text of `Human:` and `Assistant:`."""
    return isinstance(value, str) and bool(_BEGINS.match(value))


def transcript(text: str) -> Turns:
    """`\\n\\nHuman: …\\n\\nAssistant: …` as turns."""
    _, *parts = _SPEAKER.split("\n\n" + text.lstrip())
    return [
        said(_SPOKEN[who], spoken.strip())
        for who, spoken in zip(parts[::2], parts[1::2], strict=True)
    ]


def said(role: str, content: str) -> dict[str, str]:
    """One turn."""
    return {"role": role, "content": content}


def decoded(value: Any) -> Any:
    """A list that stands as JSON in a CSV cell; anything else as it is."""
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError, RecursionError):
            found = json.loads(value)
            return found if isinstance(found, list) else value
    return value


def _turn(turn: Any, name: str) -> dict[str, str]:
    if not isinstance(turn, Mapping):
        raise RowError(name, "must be {role, content}")
    role = str(turn.get("role", turn.get("from")))
    if role.casefold() in _TOOLS or turn.get("tool_calls"):
        raise RowError(name, "is a turn of a tool, which cannot be learned from here")
    if role.casefold() not in _ROLES:
        raise RowError(
            f"{name}.role", f"{role[:40]!r} is unknown; it is one of {', '.join(_ROLES)}"
        )
    content = next((turn[key] for key in ("content", "value", "text") if key in turn), None)
    return said(_ROLES[role.casefold()], _text(content, f"{name}.content"))


def _text(content: Any, name: str) -> str:
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
        if not all(isinstance(part, str) for part in parts):
            raise RowError(name, "holds something else than text")
        content = "".join(map(str, parts))
    if content is None:
        content = ""
    if not isinstance(content, str):
        raise RowError(name, "must be a text")
    return content
