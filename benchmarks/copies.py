"""Makes very many rows inside PostgreSQL, each a copy of one that the product made."""

from __future__ import annotations

from django.db import connection
from django.db.models import Model

_COPY = """
INSERT INTO {table} ({names}) SELECT {copied} FROM {rows}, LATERAL jsonb_populate_record(
  (SELECT template FROM {table} AS template WHERE id = {template}),
  jsonb_build_object({columns})
) AS copy
"""


def copy(template: Model, rows: str, columns: str) -> None:
    """Insert a copy of `template` for each of `rows` (SQL, what follows FROM).

    `columns`, SQL too, are the pairs of name and value in which a copy differs. Without the checks
    of foreign keys where session_replication_role is replica.
    """
    # Not every column: the database makes some itself.
    names = [f'"{field.column}"' for field in template._meta.local_concrete_fields]
    sql = _COPY.format(
        table=template._meta.db_table,
        names=", ".join(names),
        copied=", ".join(f"copy.{name}" for name in names),
        rows=rows,
        columns=columns,
        template=template.pk,
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
