"""Two answers of which one was preferred: `chosen` and `rejected`. Pure.

The prompt stands beside them, or both begin with it: as turns, as a transcript, or as plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.intake.labels.parsed import MAX_ANSWERS, Answer, Label, Labels, answer
from labeling.intake.labels.turns import (
    Turns,
    asked,
    decoded,
    is_transcript,
    said,
    split_answer,
    turns_of,
)
from labeling.intake.rows import RowError

Row = Mapping[str, Any]


def pairs(row: Row) -> Labels:
    """One ranking of two; a `margin` that is a whole number parts their ranks by so many."""
    for name in ("chosen", "rejected"):
        if name not in row:
            raise RowError(name, "is missing")
    chosen, rejected = decoded(row["chosen"]), decoded(row["rejected"])
    spoken = isinstance(chosen, list) and isinstance(rejected, list)
    prompt = prompt_of(row)
    if prompt is None:
        prompt, chosen, rejected = _shared(chosen, rejected)
    else:
        chosen, rejected = _answer(chosen, prompt, "chosen"), _answer(rejected, prompt, "rejected")
    best = answer(chosen, "chosen", spoken=spoken)
    other = answer(rejected, "rejected", spoken=spoken)
    if best == other:
        raise RowError("rejected", "is the same as chosen")
    yield Label({"messages": prompt}, [Answer(best, 1), Answer(other, 1 + _margin(row))], row)


def prompt_of(row: Row) -> Turns | None:
    """The turns of a prompt that stands in a column of its own."""
    name = next((name for name in ("prompt", "messages", "thread", "question") if name in row), "")
    return asked(turns_of(row[name], name), name) if name else None


def _answer(value: Any, prompt: Turns, name: str) -> Any:
    """An answer beside its prompt: a text, its turn alone, or the whole conversation again."""
    if not isinstance(value, list):
        return value
    turns = turns_of(value, name)
    if len(turns) == 1 and turns[0]["role"] == "assistant":
        return turns[0]["content"]
    before, found = split_answer(turns, name)
    _require_same(before, prompt, name)
    return found


def _shared(chosen: Any, rejected: Any) -> tuple[Turns, str, str]:
    """Prompt and answers of two conversations, or texts, that begin alike."""
    if isinstance(chosen, str) and isinstance(rejected, str) and not is_transcript(chosen):
        return _shared_text(chosen, rejected)
    before, best = split_answer(turns_of(chosen, "chosen"), "chosen")
    other_before, other = split_answer(turns_of(rejected, "rejected"), "rejected")
    _require_same(other_before, before, "rejected")
    return before, best, other


def _shared_text(chosen: str, rejected: str) -> tuple[Turns, str, str]:
    """Parted at the last white space before which they are the same."""
    length = next(
        (at for at, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other),
        min(len(chosen), len(rejected)),
    )
    while length and not chosen[length - 1].isspace():
        length -= 1
    shared = chosen[:length].strip()
    if not shared:
        raise RowError("prompt", "is missing, and chosen and rejected do not begin alike")
    return [said("user", shared)], chosen[length:], rejected[length:]


def _require_same(turns: Turns, others: Turns, name: str) -> None:
    if turns == others:
        return
    if [_squeezed(turn) for turn in turns] == [_squeezed(turn) for turn in others]:
        raise RowError(
            name, "begins as the other conversation but for white space; make them the same"
        )
    raise RowError(
        name, "is an answer in another conversation: up to the answer they must be the same"
    )


def _squeezed(turn: Mapping[str, str]) -> tuple[str, str]:
    return turn["role"], "".join(turn["content"].split())


def _margin(row: Row) -> int:
    """One rank where it is not a whole number of ranks."""
    try:
        margin = float(row.get("margin", 1))
    except (TypeError, ValueError):
        raise RowError("margin", "must be a number") from None
    return int(margin) if margin.is_integer() and 1 <= margin < MAX_ANSWERS else 1
