"""What a server's reply says: its choices, whole or streamed, read with patience for what servers
leave out, rename or add. Nothing is asked here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LARGEST_COUNT = 2**31 - 1

# Servers' words for why an answer ended, in small letters, by ours.
_FINISHES = {
    "stop": ("stop", "eos", "eos_token", "end_turn", "end_of_turn", "stop_sequence", "stop_token",
             "stop_str", "complete", "completed", "endoftext", "done"),
    "length": ("length", "max_tokens", "max_length", "max_new_tokens", "max_output_tokens",
               "model_length", "model_context_window_exceeded"),
    "content_filter": ("content_filter", "content_filtered", "safety", "sensitive", "refusal",
                       "error_toxic", "recitation", "prohibited_content", "blocklist"),
    "error": ("error", "abort", "failed"),
}  # fmt: skip
_OURS = {theirs: ours for ours, words in _FINISHES.items() for theirs in words}
_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_details")


@dataclass(frozen=True)
class Choice:
    """One completion, or what of it came in one part of a stream.

    `text` is None where the server sent none, which is not the same as an empty one; `reasoned`,
    whether it sent thinking apart from the text; `finish_reason` is stop, length, content_filter,
    error, other, or empty where the server did not say.
    """

    text: str | None = None
    finish_reason: str = ""
    logprobs: tuple[float, ...] = ()
    refusal: str = ""
    reasoned: bool = False

    def __add__(self, later: Choice) -> Choice:
        """This and the part of a stream that came after it."""
        silent = self.text is None and later.text is None
        return Choice(
            None if silent else (self.text or "") + (later.text or ""),
            later.finish_reason or self.finish_reason,
            self.logprobs + later.logprobs,
            self.refusal + later.refusal,
            self.reasoned or later.reasoned,
        )


@dataclass(frozen=True)
class Usage:
    """Tokens as the server counts them; None where it does not."""

    prompt: int | None
    completion: int | None
    reasoning: int | None

    @classmethod
    def of(cls, reply: dict[str, Any]) -> Usage:
        """What `usage` says, whatever of it is there."""
        said = fields(reply.get("usage"))
        details = fields(said.get("completion_tokens_details"))
        return cls(
            _count(said.get("prompt_tokens")),
            _count(said.get("completion_tokens")),
            _count(details.get("reasoning_tokens")),
        )


def choices(reply: dict[str, Any]) -> list[Choice]:
    """The completions of a reply, of either protocol, whole or streamed."""
    found = reply.get("choices")
    listed = found if isinstance(found, list) else []
    return [_choice(one) for one in listed if isinstance(one, dict)]


def fields(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _choice(choice: dict[str, Any]) -> Choice:
    message = fields(choice.get("message")) or fields(choice.get("delta"))
    content = message.get("content") if message else choice.get("text")
    parts = list(_parts(content))
    texts = [text for kind, text in parts if kind in ("text", "output_text")]
    refusals = [text for kind, text in parts if kind == "refusal"]
    refusal = message.get("refusal")
    thinking = any(kind in ("thinking", "reasoning") for kind, _ in parts)
    return Choice(
        "".join(texts) if texts else None,
        _finish(choice.get("finish_reason")),
        _logprobs(fields(choice.get("logprobs"))),
        refusal if isinstance(refusal, str) else "".join(refusals),
        thinking or any(message.get(name) for name in _REASONING),
    )


def _parts(content: object) -> Iterator[tuple[str, str]]:
    """Kind and text of the parts of a content, which may be one string or a list of parts."""
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield "text", part
        elif isinstance(part, dict):
            kind = str(part.get("type", "text"))
            text = part.get("refusal" if kind == "refusal" else "text")
            if isinstance(text, str) or kind not in ("text", "output_text"):
                yield kind, text if isinstance(text, str) else ""


def _finish(said: object) -> str:
    return _OURS.get(said.lower(), "other") if isinstance(said, str) and said else ""


def _logprobs(said: dict[str, Any]) -> tuple[float, ...]:
    """One finite number a token, or none at all."""
    content = said.get("content")
    values = said.get("token_logprobs")
    if isinstance(content, list):
        values = [fields(token).get("logprob") for token in content]
    if not isinstance(values, list):
        return ()
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return ()
    return tuple(float(value) for value in values)


def _count(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT
    return value if good and isinstance(value, int) else None
