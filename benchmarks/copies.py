"""Makes very many rows inside PostgreSQL, each a copy of one that the product made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.models import Model

_COPY = """
INSERT INTO {table} ({names}) SELECT {copied} FROM {rows}, LATERAL jsonb_populate_record(
  (SELECT template FROM {table} AS template WHERE id = {template}),
  jsonb_build_object({columns})
) AS copy
"""

# Those that no constraint needs.
_INDEXES = """
SELECT index.relname, pg_get_indexdef(index.oid)
FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
WHERE indrelid = ANY(%s::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = index.oid)
"""


@contextmanager
def without_indexes(*models: type[Model]) -> Iterator[None]:
    """Very many rows go in much faster when the indexes of their tables are made at the end."""
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        cursor.execute(_INDEXES, [tables])
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f'DROP INDEX "{name}"')
        try:
            yield
        finally:
            cursor.execute("SET maintenance_work_mem = '1GB'")
            for _, definition in found:
                cursor.execute(definition)


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
