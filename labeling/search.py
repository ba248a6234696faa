"""Finding texts by their words, however many there are.

Every word that is asked for must be there; a word may go on (`basil` finds `basilicum`) unless it
is shorter than three letters; "words in quotes" stand one after the other. Case, width and
punctuation do not matter. In scripts without spaces any run of characters is found.
"""

from __future__ import annotations

import json
import re
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection, models, transaction
from django.db.models import F, Func, Q, QuerySet

from labeling.models import Completion, Demonstration, Prompt

MOST = 2_000
"""So many rows are found and listed before a search counts as wide."""

HELP = 'All of these words; "in quotes" one after the other. Names and numbers as a whole.'

_CERTAINLY_WIDE = 100_000  # more than the planner guesses of a rare word in nine forms
_TERM = re.compile(r'"([^"]*)"|(\S+)')
_SHORTEST_BEGINNING = 3
_MOST_TERMS = 20
# What Hebrew and Arabic write in one with the word that follows: articles, conjunctions and
# prepositions. By the first letter's block of 256 in Unicode.
_ATTACHED = {
    0x05: ("ה", "ו", "ב", "ל", "מ", "ש", "כ", "וה"),
    0x06: ("ال", "و", "وال", "ب", "بال", "ل", "لل", "ف", "ك"),
}
_TEXTS: dict[type[models.Model], str] = {
    Prompt: "messages",
    Completion: "text",
    Demonstration: "text",
}
Terms = tuple[tuple[tuple[str, ...], bool], ...]


class Says(Func):
    """Whether a text holds the words; asks the column `said`, which the ORM does not know."""

    output_field = models.BooleanField()

    def __init__(self, column: str, terms: Terms) -> None:
        super().__init__(F(column))
        self.terms = terms

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        column: Any = self.source_expressions[0]
        every = [
            "(" + " || ".join(["labeling_asked(%s, %s)"] * len(f)) + ")" for f, _ in self.terms
        ]
        values = [value for forms, goes_on in self.terms for f in forms for value in (f, goes_on)]
        asked = " && ".join(every) or "''::tsquery"
        return f"{compiler.quote_name_unless_alias(column.alias)}.said @@ ({asked})", values


def found(text: str, *, among: QuerySet, path: str = "pk", fields: tuple[str, ...] = ()) -> Q:
    """What holds the words, or has the whole text in one of the fields, as a condition on `path`.

    `among` are prompts, completions or demonstrations. Up to MOST rows are found first, by the
    index, and listed; a wider search is left to the planner, which walks from the newest row and
    soon has a page full.
    """
    ways = [Q(Says(_TEXTS[among.model], _terms(text))), *(Q(**{name: text}) for name in fields)]
    if text.isdecimal() and len(text) < len(str(models.BigIntegerField.MAX_BIGINT)):
        ways.append(Q(pk=int(text)))
    ids = _some(among.filter(ways[0]), "pk")
    if ids is not None:
        for way in ways[1:]:
            ids.update(among.filter(way).order_by().values_list("pk", flat=True)[: MOST + 1])
        if len(ids) <= MOST:
            return Q(**{f"{path}__in": ids})
    wide = reduce(or_, ways)
    return wide if path == "pk" else Q(**{f"{path}__in": among.filter(wide).values("pk")})


def listed(rows: QuerySet, column: str) -> Q:
    """The rows of another table whose number stands in this column of `rows`."""
    ids = _some(rows, column)
    return Q(pk__in=rows.order_by().values(column) if ids is None else ids)


def _some(rows: QuerySet, column: str) -> set[int] | None:
    """That column of the rows, found by an index whatever the planner expects; None where there
    are more than MOST, which need not be looked for where it expects very many."""
    if _expected(rows) > _CERTAINLY_WIDE:
        return None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        values = list(rows.order_by().values_list(column, flat=True)[: MOST + 1])
        cursor.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = on")
    return set(values) if len(values) <= MOST else None


def _expected(rows: QuerySet) -> int:
    """How many rows the planner expects, from what it knows of the words' frequencies."""
    [plan] = json.loads(rows.order_by().values("pk").explain(format="json"))
    return int(plan["Plan"]["Plan Rows"])


def _terms(text: str) -> Terms:
    """Each term in the forms it may have, and whether it may go on."""
    terms = [(quoted or word, bool(word)) for quoted, word in _TERM.findall(text)]
    return tuple(
        (_forms(term), may_go_on and len(term) >= _SHORTEST_BEGINNING)
        for term, may_go_on in terms[:_MOST_TERMS]
        if term
    )


def _forms(term: str) -> tuple[str, ...]:
    return term, *(particle + term for particle in _ATTACHED.get(ord(term[0]) >> 8, ()))
