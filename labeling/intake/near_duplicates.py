"""Which prompts are near-duplicates of one that is kept: stored before, or earlier in a batch.

Kept is what is itself no duplicate and waits in no quarantine. A long shared beginning decides at
once; otherwise shared bands name a few candidates, and their shingles decide
(`labeling.intake.dedupe`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from django.db import connection, transaction
from django.db.models import QuerySet

from core.db.many_values import is_one_of
from labeling.intake.cleaning import Marks
from labeling.intake.dedupe import ALIKE, similarity, spoken
from labeling.models import Prompt

Turns = list[dict[str, str]]
Kept: TypeAlias = int | str
"""A stored prompt's id, or the fingerprint of an earlier one in the batch."""

_COMPARED = 3  # candidates whose shingles are compared, those that share most bands first
_MOST = 20_000  # candidates taken up for a batch
# In SQL, because Django would look at each of thousands of keys by itself. They stand in a query of
# their own: shown so many, the planner takes them for most of the table and leaves the index alone;
# and of a table that has just grown it does not know the size.
_ALIKE = """
SET LOCAL enable_seqscan = off;
SELECT id, bands FROM labeling_prompt WHERE duplicate_of_id IS NULL AND state <> 'quarantined'
AND bands && (SELECT %s::bigint[]) LIMIT %s
"""


def kept_alike(batch: Sequence[tuple[Marks, Turns]]) -> Iterator[Kept | None]:
    """The one kept that each of the batch is a near-duplicate of, in its order; found one by one.

    The database is asked at once, before the first is looked at.
    """
    memory = _Memory([marks for marks, _ in batch])
    return (memory.met(marks, messages) for marks, messages in batch)


class _Memory:
    """The kept ones that could be met in a batch: of the database, and those met so far."""

    def __init__(self, batch: Sequence[Marks]) -> None:
        self.prefixes: dict[str, Kept] = dict(_stored_prefixes(batch))
        self.holders: dict[int, list[Kept]] = defaultdict(list)
        for pk, bands in _stored_bands(batch):
            for band in bands:
                self.holders[band].append(pk)
        self.texts = self._stored_texts(batch)

    def met(self, marks: Marks, messages: Turns) -> Kept | None:
        """The one kept that this is a near-duplicate of; where there is none, this one is kept."""
        kept = self._like(marks, messages)
        if kept is None:
            self._keep(marks, messages)
        return kept

    def _like(self, marks: Marks, messages: Turns) -> Kept | None:
        if marks.prefix_fingerprint in self.prefixes:
            return self.prefixes[marks.prefix_fingerprint]
        said = ""
        for kept in self._candidates(marks):
            said = said or spoken(messages)
            if kept in self.texts and similarity(said, spoken(self.texts[kept])) >= ALIKE:
                return kept
        return None

    def _keep(self, marks: Marks, messages: Turns) -> None:
        if marks.prefix_fingerprint:
            self.prefixes[marks.prefix_fingerprint] = marks.fingerprint
        self.texts[marks.fingerprint] = messages
        for band in marks.bands:
            self.holders[band].append(marks.fingerprint)

    def _candidates(self, marks: Marks) -> list[Kept]:
        shared = [kept for band in marks.bands for kept in self.holders.get(band, ())]
        return [kept for kept, _ in Counter(shared).most_common(_COMPARED)] if shared else []

    def _stored_texts(self, batch: Iterable[Marks]) -> dict[Kept, Turns]:
        wanted = {kept for marks in batch for kept in self._candidates(marks)}
        rows = Prompt.objects.filter(is_one_of("pk", wanted)).order_by()
        return dict(rows.values_list("pk", "messages"))


def _kept() -> QuerySet[Prompt]:
    rows = Prompt.objects.filter(duplicate_of=None).exclude(state=Prompt.State.QUARANTINED)
    return rows.order_by()


def _stored_prefixes(batch: Iterable[Marks]) -> list[tuple[str, int]]:
    prefixes = {marks.prefix_fingerprint for marks in batch} - {""}
    # The condition again, so that the planner sees that the partial index will do.
    rows = _kept().filter(is_one_of("prefix_fingerprint", prefixes)).exclude(prefix_fingerprint="")
    return list(rows.values_list("prefix_fingerprint", "pk"))


def _stored_bands(batch: Iterable[Marks]) -> list[tuple[int, list[int]]]:
    bands = [band for marks in batch for band in marks.bands]
    if not bands:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ALIKE, [bands, _MOST])
        found = cursor.fetchall()
        cursor.execute("SET LOCAL enable_seqscan = DEFAULT")
    return found
