"""Rows into a table by PostgreSQL's COPY, for thousands of them at once.

It knows no conflicts, returns no ids and calls no `save`: whoever uses it has numbered the rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import StringIO
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Field, JSONField, Model
from django.utils import timezone

_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def next_ids(model: type[Model], count: int) -> list[int]:
    """So many fresh primary keys, ascending."""
    sequence = [model._meta.db_table, str(model._meta.pk and model._meta.pk.column)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [*sequence, count],
        )
        return sorted(number for (number,) in cursor.fetchall())


def copy_in(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Store rows by column; a column that a row leaves out gets the field's default, or the time.

    Every row names the same columns in the same order.
    """
    if not rows:
        return
    fields = {str(field.column): field for field in model._meta.concrete_fields}
    told = [fields[column] for column in rows[0]]
    others = [field for field in fields.values() if field not in told and not _by_database(field)]
    now = timezone.now()
    # The same of every row.
    rest = "".join(f"\t{_cell(field, _default(field, now))}" for field in others) + "\n"
    lines = StringIO()
    for row in rows:
        lines.write("\t".join(map(_cell, told, row.values())) + rest)
    lines.seek(0)
    columns = ", ".join(f'"{field.column}"' for field in [*told, *others])
    with connection.cursor() as cursor:
        cursor.copy_expert(f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN', lines)


def _by_database(field: Field) -> bool:
    return field.primary_key or field.has_db_default() or field.generated


def _default(field: Field, now: datetime) -> Any:
    is_stamped = isinstance(field, DateTimeField) and (field.auto_now_add or field.auto_now)
    return now if is_stamped else field.get_default()


def _cell(field: Field, value: Any) -> str:
    if value is None:
        return r"\N"
    if isinstance(field, JSONField):
        value = json.dumps(value)
    return str(value).translate(_ESCAPES)
