"""What waits in quarantine, and where the personal data stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.permissions import may
from labeling.intake.cleaning import redacted
from labeling.intake.parts import parts
from labeling.models import Prompt

_COUNTS = """
SELECT found, count(*) FROM labeling_prompt, LATERAL (
  SELECT DISTINCT span ->> 'kind' AS found FROM jsonb_array_elements(spans) AS span
) AS kinds WHERE state = 'quarantined' GROUP BY found ORDER BY count(*) DESC, found
"""


@dataclass(frozen=True)
class Piece:
    """A stretch of text; of personal data, its kind."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Part:
    """A text of a prompt: whose it is, its pieces, and what it would be redacted."""

    name: str
    title: str
    pieces: list[Piece]
    redacted: str

    @property
    def is_marked(self) -> bool:
        """Whether something personal stands in it."""
        return any(piece.kind for piece in self.pieces)


def for_admins_alone(prompt: str = "") -> Q:
    """Whether a prompt holds personal data: in quarantine, or dropped or withdrawn with it.

    `prompt` is the path to it, such as `task__prompt__`.
    """
    quarantined = Q(**{f"{prompt}state": Prompt.State.QUARANTINED})
    withdrawn = Q(**{f"{prompt}state": Prompt.State.WITHDRAWN})
    return quarantined | (withdrawn & ~Q(**{f"{prompt}spans": []}))


def seen_by(rows: QuerySet[Any], who: Any, prompt: str = "") -> QuerySet[Any]:
    """Those of the rows that the account may see: what is for admins alone, no researcher does.
    `prompt` is the path to a row's prompt."""
    return rows if may(who, ()) else rows.exclude(for_admins_alone(prompt))


def counts() -> list[tuple[str, int]]:
    """Prompts in quarantine by the kinds they hold, most first; a prompt may hold several."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS)
        return list(cursor.fetchall())


def marked(prompt: Prompt) -> list[Part]:
    """The prompt's parts, with what is personal in them apart."""
    placed = redacted(prompt, prompt.spans)
    return [
        Part(
            name,
            _title(prompt, name),
            list(_pieces(name, text, prompt.spans)),
            placed.get(name, text),
        )
        for name, text in parts(prompt).items()
    ]


def neighbours(prompt: Prompt) -> tuple[int | None, int | None]:
    """Those that wait before and after this one, the newest first."""
    waiting = Prompt.objects.filter(state=Prompt.State.QUARANTINED).values_list("pk", flat=True)
    before = waiting.filter(pk__gt=prompt.pk).order_by("pk").first()
    return before, waiting.filter(pk__lt=prompt.pk).order_by("-pk").first()


def _pieces(name: str, text: str, spans: list[dict[str, Any]]) -> Iterator[Piece]:
    at = 0
    for span in sorted((s for s in spans if s["part"] == name), key=lambda span: span["start"]):
        if span["start"] > at:
            yield Piece(text[at : span["start"]])
        yield Piece(text[span["start"] : span["end"]], span["kind"].replace("_", " "))
        at = span["end"]
    if at < len(text):
        yield Piece(text[at:])


def _title(prompt: Prompt, name: str) -> str:
    where, _, rest = name.partition(".")
    if where == "messages":
        return str(prompt.messages[int(rest)]["role"]).capitalize()
    if where == "examples":
        number, _, side = rest.partition(".")
        return f"Example {int(number) + 1}, {side}"
    return "Instruction"
