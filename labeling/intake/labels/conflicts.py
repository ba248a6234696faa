"""Staged labels that contradict each other, or what is here: asked of the database, by line.

One labeler ranks the same answers once; a prompt, and an author, is on one side of the split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.db import connection

from labeling.models import Import

_ROWS = """
WITH row AS MATERIALIZED (
  SELECT line, id, examined->'marks'->>'fingerprint' AS prompt, label->>'task' AS task,
         label->>'split' AS split, (label->>'given')::boolean AS given,
         nullif(examined->'row'->>'author', '') AS author
  FROM labeling_stagedprompt WHERE of_id = %s
)
"""
_BOTH_SIDES = """
SELECT line, split, first_line, first_split FROM (
  SELECT line, split, given, first_value(line) OVER ahead AS first_line,
         first_value(split) OVER ahead AS first_split, first_value(given) OVER ahead AS first_given
  FROM row WHERE {key} IS NOT NULL WINDOW ahead AS (PARTITION BY {key} ORDER BY line, id)
) told WHERE split <> first_split AND (given OR first_given)
"""
_QUERIES: Mapping[str, str] = {
    "is one labeler's second ranking of these answers; the first is on line {1}": """
        SELECT line, first FROM (
          SELECT line, min(line) OVER (PARTITION BY task) AS first FROM row WHERE task <> ''
        ) told WHERE line > first
    """,
    "split is {1}, but line {2} has this prompt in {3}: it would be on both sides":
        _BOTH_SIDES.format(key="prompt"),
    "split is {1}, but line {2} has this author in {3}: the author would be on both sides":
        _BOTH_SIDES.format(key="author"),
    "split is {1}, but this prompt is here already, in {2}": """
        SELECT line, row.split, here.split FROM row
        JOIN labeling_prompt here ON here.fingerprint = row.prompt
        WHERE given AND row.split <> here.split
    """,
    "split is {1}, but this author's prompts are here already, in {2}": """
        SELECT line, row.split, here.split FROM row
        JOIN labeling_prompt here ON here.author = row.author AND here.source = 'labels'
        WHERE row.split <> here.split
    """,
}  # fmt: skip


def conflicts(imported: Import) -> Iterator[tuple[int, str]]:
    """Lines that cannot be stored beside the others, each once, and why."""
    named: set[int] = set()
    for reason, query in _QUERIES.items():
        with connection.cursor() as cursor:
            cursor.execute(_ROWS + query, [imported.pk])
            found = cursor.fetchall()
        for told in sorted(found):
            if told[0] not in named:
                named.add(told[0])
                yield told[0], reason.format(*told)
