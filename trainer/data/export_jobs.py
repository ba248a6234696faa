"""Exports as jobs: asked for on a page or over the API, written by a worker, cleaned up later.

A round's labels are those of its snapshot, so exports stand beside the rounds and not with the
labels. The files themselves are written by `labeling.exports`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.audit import Act, record
from accounts.models import User
from core.jobs import Lost, Stopped
from core.problems import Problem, refuse
from labeling.exports import files
from labeling.exports.orders import Order, order
from labeling.origins import sets_of
from trainer.jobs import EXPORTS
from trainer.models import DatasetSnapshot, Export, TrainingRound
from trainer.states import Exports

State = Export.State


def ordered(*, round: int | None = None, **wanted: Any) -> Order:
    """A checked order; of a round, the labels of its snapshot. Raises Problem naming the field."""
    checked = order(**wanted)
    if round is None:
        return checked
    return replace(checked, snapshot=_snapshot_of(round).pk)


def about(order: Order) -> dict[str, Any]:
    """What a manifest says beside its order: the snapshot, the licence, the imported sets with
    theirs, who the labelers are."""
    snapshot = DatasetSnapshot.objects.get(pk=order.snapshot) if order.snapshot else None
    return {
        "snapshot_sha256": snapshot.sha256 if snapshot else None,
        "licence": settings.EXPORT_LICENCE,
        "sets": [str(one) for one in sets_of(order.labels())],
        "labelers": "pseudonyms by HMAC-SHA256, the same in every export of this installation",
    }


def audited(order: Order, reason: str) -> dict[str, Any]:
    """What the audit log keeps of an export: its order, and why the test split left."""
    return order.as_dict() | ({"reason": reason} if reason else {})


@transaction.atomic
def request_export(*, by: User | None, order: Order, reason: str = "") -> Export:
    """Queue an export; the caller sends it to a worker."""
    record(act=Act.LABELS_EXPORTED, by=by, detail=audited(order, reason))
    return Export.objects.create(
        what=order.what,
        shape=order.shape,
        file=order.file,
        split=order.split,
        filters=dict(order.filters),
        snapshot_id=order.snapshot,
        total=order.labels().count(),
        requested_by=by,
    )


def perform(export_id: int) -> bool:
    """Write an export unless another worker does; whether this call did.

    One whose worker died is gone on with where that one stopped.
    """
    export = EXPORTS.claim(export_id)
    if export is None:
        return False
    try:
        with EXPORTS.beating(export):
            manifest = _write(export)
    except Stopped:
        EXPORTS.release(export)
    except Lost:
        if Export.objects.filter(pk=export.pk, state=State.WITHDRAWN).exists():
            files.remove(export.path)
    except Problem:  # the worker that was thought dead is still writing
        EXPORTS.release(export)
        return False
    except OSError as error:
        EXPORTS.fail(export, f"The file cannot be written: {error.strerror}.")
    else:
        EXPORTS.finish(
            export,
            manifest=manifest,
            rows=manifest["rows"],
            done=manifest["labels"],
            ended_at=Now(),
        )
    return True


def clean_old() -> int:
    """Destroy the files that have lain for EXPORT_DAYS; returns how many exports that were."""
    day = timezone.now() - timedelta(days=settings.EXPORT_DAYS)
    over = Export.objects.filter(ended_at__lt=day, state__in=[State.FINISHED, State.FAILED])
    old = list(over)
    for export in old:
        files.remove(export.path)
    return Exports.expire.apply(Export.objects.filter(pk__in=[export.pk for export in old]))


def _write(export: Export) -> dict[str, Any]:
    export.path.parent.mkdir(parents=True, exist_ok=True)
    wanted = Order(
        export.what, export.shape, export.file, export.split, export.filters, export.snapshot_id
    )

    def report(labels: int, rows: int) -> None:
        EXPORTS.report(export, done=labels, rows=rows)

    manifest = files.write(export.path, wanted, about=about(wanted), report=report)
    report(manifest["labels"], manifest["rows"])
    return manifest


def _snapshot_of(number: int) -> DatasetSnapshot:
    round = TrainingRound.objects.filter(pk=number).select_related("snapshot").first()
    if round is None or round.snapshot is None:
        reason = "has no snapshot yet" if round else "does not exist"
        sentence = f"Round {number} {reason}; choose one that has frozen its labels."
        refuse("round", sentence)
    return round.snapshot
