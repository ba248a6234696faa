"""Changes of state by compare-and-set: who comes second finds nothing to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from core.db.prepared import Change


@dataclass(frozen=True)
class Move:
    """From any of the `sources` to the `target`, and what makes it happen."""

    sources: tuple[str, ...]
    target: str
    when: str

    def apply(self, rows: QuerySet[Any], **values: Any) -> int:
        """Move those of the rows that are still in a source state; returns how many."""
        movable, change = self.change(rows, **values)
        return movable.update(**change)

    def change(self, rows: QuerySet[Any], **values: Any) -> Change:
        """The same as something to be prepared."""
        return rows.filter(state__in=self.sources), {"state": self.target, **values}
