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
from labeling.models.labelers import LabelerProfile

Row = Mapping[str, Any]

_NUMBERS = ("guideline", "form", "active_seconds")
SAID = ("id", "created_at", "labeler", *_NUMBERS)
_SIDES = ("chosen", "rejected")
_IDS = ("task_id", "prompt_id", "round")
_WORDS = ("group", "row_id", "set", "licence", "language", "topic")
_IDS_OF_PAIRS = tuple(
    f"{side}_{name}"
    for side in _SIDES
    for name in ("completion_id", "version", "rating", "seed", "shown")
)
_WORDS_OF_PAIRS = (
    "ranking_id",
    *(f"{side}_{name}" for side in _SIDES for name in ("policy", "finish_reason", "sampling")),
)
_LISTS = {
    "completion_ids": int,
    "versions": int,
    "finish_reasons": str,
    "sampling": str,
    "seeds": int,
    "shown": int,
}
PROVENANCE = frozenset(
    {*_IDS, *_WORDS, *_IDS_OF_PAIRS, *_WORDS_OF_PAIRS, *_LISTS, "evaluation", "purpose"}
)
"""What is said again of a row that has `task_id`; one of an older version has none of it."""
_PER_ANSWER = ("finished", "ranks", "ratings", "flags", "policies")
# Before what a spreadsheet would calculate our CSV has an apostrophe (exports.containers.cell).
_GUARDED = re.compile(r"^'(?=[=+\-@\t\r])")


def demonstrations(row: Row) -> Labels:
    """`{messages, response}`."""
    yield _label(row, [Answer(_text(row, "response"))], _whence(row))


def pairs(row: Row) -> Labels:
    """`{messages, chosen, rejected, margin}`: two completions, so many ranks apart."""
    margin = _number(row.get("margin", 1), "margin")
    if not 1 <= margin < MAX_ANSWERS:
        raise RowError("margin", f"must be a number of ranks from 1 to {MAX_ANSWERS - 1}")
    chosen, rejected = _text(row, "chosen"), _text(row, "rejected")
    if chosen == rejected:
        raise RowError("rejected", "is the same as chosen")
    answers = [Answer(chosen, 1), Answer(rejected, 1 + margin)]
    yield _label(row, answers, _whence(row, _IDS_OF_PAIRS, _WORDS_OF_PAIRS))


def rankings(row: Row) -> Labels:
    """`{messages, completions, ranks, …}`, lists over the completions in sampling order."""
    completions = _list(row, "completions")
    if not 1 <= len(completions) <= MAX_ANSWERS:
        raise RowError("completions", f"must hold 1 to {MAX_ANSWERS} texts")
    told = {name: _per_answer(row, name, len(completions)) for name in _PER_ANSWER}
    answers = [
        Answer(
            text=_keepable(text, f"completions[{place}]"),
            rank=_within(told["ranks"][place], "ranks", len(completions)),
            rating=_rating(told["ratings"][place]),
            model=str(told["policies"][place] or ""),
            finished=told["finished"][place] is not False,
            flags=told["flags"][place] or [],
        )
        for place, text in enumerate(completions)
    ]
    whence = _whence(row, ("evaluation",), ("purpose",))
    if whence:
        whence |= {name: _each(row, name, kind, len(completions)) for name, kind in _LISTS.items()}
    yield _label(row, answers, whence)


def _label(row: Row, answers: list[Answer], whence: dict[str, Any]) -> Label:
    said = {name: _unguarded(row, row.get(name)) for name in SAID}
    said |= {name: _number(said[name], name) for name in _NUMBERS if said[name] is not None}
    return Label({"messages": decoded(row.get("messages"))}, answers, row, said | whence)


def _whence(row: Row, ids: tuple[str, ...] = (), words: tuple[str, ...] = ()) -> dict[str, Any]:
    """Where the label was made, in the words of the export; {} where it does not say."""
    if "task_id" not in row:
        return {}
    numbers = {name: row.get(name) for name in (*_IDS, *ids)}
    said = {
        name: value if value is None else _number(value, name) for name, value in numbers.items()
    }
    told = {name: _unguarded(row, row.get(name)) for name in (*_WORDS, *words)}
    for name, value in told.items():
        if value is not None and not (isinstance(value, str) and texts.keepable(value)):
            raise RowError(name, "must be a text")
    if told["group"] not in (None, *LabelerProfile.Group.values):
        raise RowError("group", f"must be one of {', '.join(LabelerProfile.Group.values)}")
    return said | told


def _each(row: Row, name: str, kind: type, count: int) -> list[Any]:
    """A list over the completions, of numbers or of texts; null is not known."""
    values = _per_answer(row, name, count)
    if not all(value is None or type(value) is kind for value in values):
        raise RowError(name, f"must be a list of {'numbers' if kind is int else 'texts'}")
    return values


def _text(row: Row, name: str) -> str:
    return str(_unguarded(row, _keepable(row.get(name, ""), name)))


def _unguarded(row: Row, value: Any) -> Any:
    """What stood in a cell before it was guarded."""
    is_csv = isinstance(row.get("active_seconds"), str)
    return _GUARDED.sub("", value, count=1) if is_csv and isinstance(value, str) else value


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
        number = int(value)
    except (TypeError, ValueError):
        raise RowError(name, "must be a whole number") from None
    if not -(2**63) <= number < 2**63:
        raise RowError(name, "is too large a number")
    return number
