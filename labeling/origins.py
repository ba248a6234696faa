"""Where the labels that are here come from: what a filter by origin can name."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from labeling.intake.labels.about import HERE, IMPORTED
from labeling.models import LabelSet


def origins() -> list[tuple[str, str]]:
    """Each origin with its title: here, imported, every set; none where nothing was imported."""
    names = list(LabelSet.objects.order_by("name").values_list("name", flat=True).distinct())
    if not names:
        return []
    own = [(HERE, "Made here"), (IMPORTED, "Imported, any set")]
    return own + [(name, f"Imported: {name}") for name in names]


def unknown_origins(names: list[str]) -> list[str]:
    """Those of the names that no label can come from."""
    there = set(LabelSet.objects.filter(name__in=names).values_list("name", flat=True))
    return sorted({*names} - there - {HERE, IMPORTED})


def sets_of(labels: QuerySet[Any]) -> QuerySet[LabelSet]:
    """The sets that some labels were imported from."""
    return LabelSet.objects.filter(pk__in=labels.order_by().values("task__origin__of"))
