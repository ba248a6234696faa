"""Labels → one immutable JSONL file, named by its content, with a row for every label in it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction

from labeling.exports.tally import Tally, tally
from labeling.exports.training_rows import (
    few_shot_examples,
    prompts,
    training_demonstrations,
    training_rankings,
)
from trainer.models import DatasetSnapshot, SnapshotLabel

Row = dict[str, Any]
TYPES = ("demonstration", "ranking", "prompt")


@transaction.atomic
def freeze(*, filters: Mapping[str, Any] | None = None) -> DatasetSnapshot:
    """Write the labels that `filters` choose; the same labels give the same file and row."""
    wait_for_erasure()
    chosen = dict(filters or {})
    written = _write(Path(settings.SNAPSHOT_DIR), chosen)
    snapshot, is_new = DatasetSnapshot.objects.get_or_create(
        filename=written.filename,
        defaults={
            "sha256": written.sha256,
            "filters": chosen,
            "counts": counts_by_split(written.counts),
        },
    )
    if is_new:
        SnapshotLabel.objects.bulk_create(_labels(snapshot, written), batch_size=2000)
    return snapshot


def wait_for_erasure(*, alone: bool = False) -> None:
    """Until the transaction ends, nobody is erased; `alone`, for who erases: nothing is frozen.

    A snapshot that is written while a person is erased would keep what the erasure never saw.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(hashtext('tutelage: snapshots and erasure'))")


def rows(filters: Mapping[str, Any]) -> Iterator[Row]:
    """Every line of a snapshot, in its order, with the key `type` first.

    The test split is left out altogether: nothing that is trained or tuned here may see it. Of
    held-out labelers only validation labels are kept, to measure with.
    """
    sources = (
        # Expansions first: where only the newest are used, people's own responses are the last.
        ("demonstration", few_shot_examples(filters)),
        ("demonstration", training_demonstrations(filters)),
        ("ranking", training_rankings(filters)),
        ("prompt", prompts(filters)),
    )
    for kind, source in sources:
        for row in source:
            if _may_be_used(row["split"], row.get("group", "training")):
                yield {"type": kind, **row}


def count_labels(filters: Mapping[str, Any] | None = None) -> dict[str, int]:
    """What a snapshot taken now would hold for training and for validation."""
    return totals(label_tally(filters))


def label_tally(filters: Mapping[str, Any] | None = None) -> list[Tally]:
    """The rows of a snapshot taken now, counted by what they have in common."""
    return [one for one in tally(filters) if _may_be_used(one.split, one.group)]


def totals(counted: Iterable[Tally]) -> dict[str, int]:
    """`{"demonstrations": …, "validation_demonstrations": …, …}`."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in counted:
        counts[one.kind, one.split] += one.count
    return {
        f"{prefix}{kind}s": counts[kind, split]
        for prefix, split in (("", "train"), ("validation_", "validation"))
        for kind in TYPES
    }


def totals_of(snapshot: DatasetSnapshot) -> dict[str, int]:
    """The same of a snapshot that is frozen."""
    return {
        f"{prefix}{kind}s": snapshot.counts.get(kind, {}).get(split, 0)
        for prefix, split in (("", "train"), ("validation_", "validation"))
        for kind in TYPES
    }


def counts_by_split(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """`{"ranking": {"train": 120, "validation": 14}, …}`."""
    nested: dict[str, dict[str, int]] = {kind: {} for kind in TYPES}
    for (kind, split), count in sorted(counts.items()):
        nested[kind][split] = count
    return nested


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, as a snapshot's row records it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class _Written:
    """What went into a file."""

    sha256: str = ""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    ids: dict[str, list[int]] = field(default_factory=lambda: {kind: [] for kind in TYPES})

    @property
    def filename(self) -> str:
        return f"snapshot-{self.sha256[:16]}.jsonl"


def _write(folder: Path, filters: Row) -> _Written:
    """Write to a file of no name yet, which gets its own once it is on disk whole."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{uuid4().hex}.new"
    written, digest = _Written(), hashlib.sha256()
    try:
        with unfinished.open("wb") as file:
            for row in rows(filters):
                line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
                file.write(line)
                digest.update(line)
                written.counts[row["type"], row["split"]] += 1
                # Few-shot examples are made from a prompt; their ids name no label.
                if row["id"].isdigit():
                    written.ids[row["type"]].append(int(row["id"]))
            file.flush()
            os.fsync(file.fileno())
        written.sha256 = digest.hexdigest()
        unfinished.chmod(0o444)
        unfinished.replace(folder / written.filename)
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def _labels(snapshot: DatasetSnapshot, written: _Written) -> Iterator[SnapshotLabel]:
    for kind in ("demonstration", "ranking"):
        for pk in written.ids[kind]:
            yield SnapshotLabel(snapshot=snapshot, **{f"{kind}_id": pk})


def _may_be_used(split: str, group: str) -> bool:
    return split != "test" and (group == "training" or split == "validation")
