"""What leaves the installation, streaming, and the one table of each part of it.

`docs/extend/export.md` says how to add a shape or a kind of file.

orders.py       what is asked for, checked: the test split for a reason, held-out labelers never
                in what is trained on
whole.py trl.py the shapes a label can leave in
files.py        writing: whole or not at all, resumed where it stopped, a manifest beside it
containers.py   JSON lines made into Parquet or CSV
pseudonyms.py   who labeled, told by a name that stays and says nothing
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db.models import Model

from labeling.exports import containers, training_rows, trl, whole
from labeling.exports.containers import Schema
from labeling.models import Demonstration, LabelerProfile, Ranking, TaskKind
from labeling.models.guidelines import Purpose
from labeling.models.prompts import Split
from labeling.models.tasks import IMPORTED, IMPORTED_EVALUATION

Row = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """How a label leaves: a line or several, each with the columns of the schema."""

    title: str
    lines: Callable[[Row], Iterator[Row]]
    schema: Schema


@dataclass(frozen=True)
class Source:
    """Labels that leave: their table, how their rows are read, and the kind of task behind them."""

    model: type[Model]
    rows: Callable[[Any], Iterator[Row]]
    kind: TaskKind
    purposes: tuple[str, ...] = (Purpose.TRAINING, IMPORTED)
    splits: tuple[str, ...] = (Split.TRAIN, Split.VALIDATION, Split.TEST)
    groups: tuple[str, ...] = (LabelerProfile.Group.TRAINING,)


@dataclass(frozen=True)
class File:
    """A kind of file, and what makes it of JSON lines: (lines, out, schema); None is the lines."""

    title: str
    write: Callable[[Path, Path, Schema], None] | None = None


_RANKINGS = Source(Ranking, training_rows.whole_rankings, TaskKind.RANKING)
SOURCES: dict[str, Source] = {
    "demonstrations": Source(
        Demonstration, training_rows.whole_demonstrations, TaskKind.DEMONSTRATION
    ),
    "rankings": _RANKINGS,
    "pairs": _RANKINGS,
    # What measures models: of prompts nobody trains on, by labelers of both groups.
    "evaluations": replace(
        _RANKINGS,
        purposes=(Purpose.EVALUATION, IMPORTED_EVALUATION),
        splits=(Split.VALIDATION, Split.TEST),
        groups=tuple(LabelerProfile.Group.values),
    ),
}
"""What can be exported → where it comes from. Pairs are made of rankings."""

SHAPES: dict[str, dict[str, Shape]] = {
    "demonstrations": {
        "whole": Shape("everything", whole.unchanged, whole.DEMONSTRATION),
        "chat": Shape("chat, messages alone", trl.chat, trl.CHAT),
        "trl": Shape("TRL SFT, prompt and completion", trl.completion, trl.COMPLETION),
    },
    "rankings": {
        "whole": Shape("everything", whole.unchanged, whole.RANKING),
        "kto": Shape("KTO, a completion that is liked or not", trl.liked, trl.LIKED),
    },
    "pairs": {
        "whole": Shape("everything", whole.compared, whole.PAIR),
        "trl": Shape("TRL preference with margin", trl.preference, trl.PREFERENCE),
        "dpo": Shape("DPO, chosen and rejected alone", trl.dpo, trl.DPO),
    },
    "evaluations": {
        "whole": Shape("everything", whole.judged, whole.EVALUATION),
    },
}
"""What can be exported → in which shapes."""

FILES: dict[str, File] = {
    "jsonl": File("JSON lines"),
    "parquet": File("Parquet", containers.write_parquet),
    "csv": File("CSV", containers.write_csv),
}
"""By the ending of the file's name."""

SPLITS = tuple(Split.values)
