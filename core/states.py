"""Changes of state by compare-and-set: who comes second finds nothing to change."""

from __future__ import annotations

from collections.abc import Iterable
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

    def apply(self, rows: QuerySet[Any], /, **values: Any) -> int:
        """Move those of the rows that are still in a source state; returns how many."""
        movable, change = self.change(rows, **values)
        return movable.update(**change)

    def change(self, rows: QuerySet[Any], /, **values: Any) -> Change:
        """The same as something to be prepared."""
        return rows.filter(state__in=self.sources), {"state": self.target, **values}


def diagram(machines: Iterable[type]) -> str:
    """docs/states.md: one Mermaid diagram a machine, a class of its `starts` and its moves."""
    source = "Drawn from each app's `states.py` by `manage.py draw_states`; do not edit."
    return f"# States\n\n{source}\n" + "".join(_section(machine) for machine in machines)


def _section(machine: type) -> str:
    lines = [f"    [*] --> {start}" for start in machine.starts]  # type: ignore[attr-defined]
    lines += [
        f"    {source} --> {move.target}: {move.when}"
        for move in vars(machine).values()
        if isinstance(move, Move)
        for source in move.sources
    ]
    body = "\n".join(lines)
    title = f"\n## {machine.__name__}\n\n{machine.__doc__}\n"
    return f"{title}\n```mermaid\nstateDiagram-v2\n{body}\n```\n"
