"""What an import does with its rows: those of a file of prompts, and those of a file of labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from django.conf import settings

from accounts.audit import Act
from labeling.intake import examining, prompts
from labeling.intake.cleaning import Examined
from labeling.intake.examining import Looked
from labeling.intake.labels import conflicts, gathering, looking, shapes, storing
from labeling.intake.labels.about import Options
from labeling.intake.readers import COLUMNS, Row
from labeling.models import Import, Prompt


@dataclass(frozen=True)
class Staged:
    """A row as it was staged: its line, its prompt, and the label, where it is one."""

    line: int
    prompt: Examined
    label: Any


class Result(Protocol):
    """What became of the rows."""

    @property
    def taken(self) -> int:
        """How many rows were looked at."""


@dataclass(frozen=True)
class Work:
    """How the rows of an import are read, looked at, checked against each other and stored."""

    act: Act
    columns: Collection[str]
    gathered: Callable[[Iterable[Row]], Iterable[Row]]
    look: Callable[[list[Row]], Looked]
    conflicts: Callable[[Import], Iterator[tuple[int, str]]]
    result: Callable[[], Any]
    take: Callable[[Sequence[Staged], Any], None]


def work_of(imported: Import) -> Work:
    """The work that an import is."""
    where: dict[str, Any] = {
        "region": settings.PHONE_REGION,
        "pipeline": settings.NAMES_PIPELINE,
    }
    if imported.what == Import.What.PROMPTS:
        return Work(
            Act.PROMPTS_IMPORTED,
            COLUMNS,
            gathered=lambda rows: rows,
            look=partial(examining.prompts_of, **where),
            conflicts=lambda _: iter(()),
            result=prompts.Added,
            take=_take_prompts,
        )
    options = Options(**imported.options)
    return Work(
        Act.LABELS_IMPORTED,
        shapes.COLUMNS | {*options.columns.values()},
        gathered=partial(gathering.gathered, columns=options.columns),
        look=partial(looking.look_at, **where, options=options),
        conflicts=conflicts.conflicts,
        result=storing.Added,
        take=partial(_take_labels, imported),
    )


def _take_prompts(rows: Sequence[Staged], result: prompts.Added) -> None:
    prompts.take([row.prompt for row in rows], result, source=Prompt.Source.IMPORT)


def _take_labels(imported: Import, rows: Sequence[Staged], result: storing.Added) -> None:
    storing.take([(row.line, row.prompt, row.label) for row in rows], result, imported=imported)
