"""Answers that were liked or not, each in a row of its own (KTO). Pure.

Rows beside each other with the same prompt are one ranking: what was liked is above what was not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from labeling.intake.labels.pairs import prompt_of
from labeling.intake.labels.parsed import MAX_ANSWERS, Answer, Label, Labels, answer
from labeling.intake.labels.turns import decoded, turns_of
from labeling.intake.rows import RowError

Row = Mapping[str, Any]

_LABELS = {"true": True, "1": True, "false": False, "0": False}


def key_of(row: Row) -> str:
    """The same for rows of one prompt."""
    return json.dumps(row.get("prompt"), sort_keys=True)


def liked(rows: Sequence[Row]) -> Labels:
    """The rankings of rows with the same prompt, no longer than a ranking may be."""
    for start in range(0, len(rows), MAX_ANSWERS):
        part = rows[start : start + MAX_ANSWERS]
        prompt = prompt_of(part[0])
        marks = [is_liked(row) for row in part]
        best = 1 if any(marks) else 2
        answers = [
            Answer(text_of(row), 1 if mark else 3 - best)
            for row, mark in zip(part, marks, strict=True)
        ]
        yield Label({"messages": prompt}, answers, part[0], {"liked": marks})


def text_of(row: Row) -> str:
    """The row's answer. Raises RowError."""
    value = decoded(row.get("completion"))
    if isinstance(value, list):
        turns = turns_of(value, "completion")
        if [turn["role"] for turn in turns] != ["assistant"]:
            raise RowError("completion", "must be one turn of the assistant")
        return answer(turns[0]["content"], "completion", spoken=True)
    return answer(value, "completion")


def is_liked(row: Row) -> bool:
    """What the row's label says. Raises RowError."""
    found = _LABELS.get(str(row.get("label")).casefold())
    if found is None:
        raise RowError("label", "must be true, for an answer that was liked, or false")
    return found
