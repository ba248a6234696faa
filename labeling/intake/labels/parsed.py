"""A label as its row says it, before it is stored. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labeling.intake import texts
from labeling.intake.rows import RowError

MAX_ANSWERS = 16
"""Completions of one ranking; Ouyang et al. 2022 ranked 4 to 9."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One response to the prompt: its rank (1 is best), its rating from 1 to 7, who said it."""

    text: str
    rank: int | None = None
    rating: int | None = None
    model: str = ""
    finished: bool = True
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Label:
    """What a row says: a demonstration (one answer), a ranking, or completions to be ranked.

    `prompt` is a row as `labeling.intake.rows.parse` reads it. `row` says whose the label is; of a
    message tree it is a message. `said` is what an export says again. Labels of one `family`
    stay on one side of the split.
    """

    prompt: Row
    answers: list[Answer]
    row: Row
    said: dict[str, Any] = field(default_factory=dict)
    family: str = ""
    line: int | None = None

    @property
    def kind(self) -> str:
        """demonstration, ranking or completions."""
        if all(answer.rank is None for answer in self.answers):
            return "demonstration" if len(self.answers) == 1 else "completions"
        return "ranking"

    def told(self) -> dict[str, Any]:
        """What is staged of it beside its prompt."""
        answers = [vars(answer) for answer in self.answers]
        return {"kind": self.kind, "answers": answers, "said": self.said}


Labels = Iterator[Label]


def answer(text: Any, name: str, *, spoken: bool = False) -> str:
    """The text of an answer. Raises RowError that names the column.

    Args:
        spoken: It is a turn's own content: the spaces around it belong to it, and one of several
            answers may be nothing at all.
    """
    if not (spoken and text == "") and (reason := texts.fault(text)):
        raise RowError(name, reason)
    return str(text) if spoken else str(text).strip()


def several(answers: list[Answer], name: str) -> list[Answer]:
    """The answers of a ranking, where they can be one. Raises RowError."""
    if not 2 <= len(answers) <= MAX_ANSWERS:
        raise RowError(name, f"must hold 2 to {MAX_ANSWERS} answers; here are {len(answers)}")
    ranks: dict[str, int | None] = {}
    for place, one in enumerate(answers, start=1):
        if ranks.setdefault(one.text, one.rank) != one.rank:
            raise RowError(name, f"holds the answer of place {place} twice, at different ranks")
    return answers
