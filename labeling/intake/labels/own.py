"""Rows of our own exports with everything, which come back as what they were. Pure.

Nothing is trimmed, and what the row says of itself beside its texts is kept in `said`, so that the
same export gives the same bytes again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labeling.intake import texts
from labeling.intake.labels.parsed import MAX_ANSWERS, Answer, Label, Labels
from labeling.intake.labels.turns import decoded
from labeling.intake.rows import RowError

Row = Mapping[str, Any]

_NUMBERS = ("guideline", "form", "active_seconds")
SAID = ("id", "created_at", "labeler", *_NUMBERS)
_PER_ANSWER = ("finished", "ranks", "ratings", "flags", "policies")
# Before what a spreadsheet would calculate our CSV has an apostrophe (exports.containers.cell).
_GUARDED = re.compile(r"'(?=[=+\-@\t\r])")


def demonstrations(row: Row) -> Labels:
    """`{messages, response}`."""
    yield _label(row, [Answer(_text(row, "response"))])


def pairs(row: Row) -> Labels:
    """`{messages, chosen, rejected, margin}`: two completions, so many ranks apart."""
    margin = _number(row.get("margin", 1), "margin")
    if not 1 <= margin < MAX_ANSWERS:
        raise RowError("margin", f"must be a number of ranks from 1 to {MAX_ANSWERS - 1}")
    chosen, rejected = _text(row, "chosen"), _text(row, "rejected")
    if chosen == rejected:
        raise RowError("rejected", "is the same as chosen")
    yield _label(row, [Answer(chosen, 1), Answer(rejected, 1 + margin)])


def rankings(row: Row) -> Labels:
    """`{messages, completions, ranks, …}`, lists over the completions in sampling order."""
    completions = _list(row, "completions")
    if not 1 <= len(completions) <= MAX_ANSWERS:
        raise RowError("completions", f"must hold 1 to {MAX_ANSWERS} texts")
    told = {name: _per_answer(row, name, len(completions)) for name in _PER_ANSWER}
    yield _label(row, [
        Answer(
            text=_keepable(text, f"completions[{place}]"),
            rank=_within(told["ranks"][place], "ranks", len(completions)),
            rating=_rating(told["ratings"][place]),
            model=str(told["policies"][place] or ""),
            finished=told["finished"][place] is not False,
            flags=told["flags"][place] or [],
        )
        for place, text in enumerate(completions)
    ])  # fmt: skip


def _label(row: Row, answers: list[Answer]) -> Label:
    said = {name: row.get(name) for name in SAID}
    said |= {name: _number(said[name], name) for name in _NUMBERS if said[name] is not None}
    return Label({"messages": decoded(row.get("messages"))}, answers, row, said)


def _text(row: Row, name: str) -> str:
    text = _keepable(row.get(name, ""), name)
    is_csv = isinstance(row.get("active_seconds"), str)
    return _GUARDED.sub("", text, count=1) if is_csv and _GUARDED.match(text) else text


def _keepable(value: Any, name: str) -> str:
    """A model may have said nothing at all."""
    if not isinstance(value, str) or (value.strip() and texts.fault(value)):
        raise RowError(name, texts.fault(value) or "must be a text")
    return value


def _list(row: Row, name: str) -> list[Any]:
    value = decoded(row.get(name))
    if not isinstance(value, list):
        raise RowError(name, "must be a list")
    return value


def _per_answer(row: Row, name: str, count: int) -> list[Any]:
    values = _list(row, name) if name in row else [None] * count
    if len(values) != count:
        raise RowError(name, f"must say something of each of the {count} completions")
    return values


def _within(value: Any, name: str, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise RowError(name, f"must be whole numbers from 1, the best, to {most}; {value!r} is not")
    return value


def _rating(value: Any) -> int | None:
    return None if value is None else _within(value, "ratings", 7)


def _number(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise RowError(name, "must be a whole number") from None
