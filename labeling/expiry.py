"""Tasks that nobody has touched: which are a retired policy's, and their expiry."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet

from labeling.models import (
    LabelingTask,
    Slot,
    TaskKind,
)
from labeling.models.guidelines import Purpose
from labeling.states import Slots, Tasks
from models_service.models import ModelVersion


def expire_untouched(tasks: QuerySet[LabelingTask]) -> list[int]:
    """Expire the open ones that nobody has touched; returns their ids."""
    touched = Slot.objects.filter(
        task=OuterRef("pk"), state__in=[Slot.State.HELD, Slot.State.FILLED]
    )
    plain = LabelingTask.objects.filter(pk__in=tasks.order_by().values("pk"))
    waiting = plain.filter(~Exists(touched), state=LabelingTask.State.OPEN)
    ids = list(waiting.values_list("pk", flat=True))
    Slots.close.apply(Slot.objects.filter(task__in=ids))
    # A claim may have come in between; its task stays.
    closed = Slot.objects.filter(task=OuterRef("pk")).exclude(state=Slot.State.CLOSED)
    gone = LabelingTask.objects.filter(~Exists(closed), pk__in=ids)
    expired = list(gone.values_list("pk", flat=True))
    Tasks.expire.apply(LabelingTask.objects.filter(pk__in=expired))
    return expired


def untouched_tasks(version: ModelVersion) -> QuerySet[LabelingTask]:
    """Ranking tasks for training that this policy answered and nobody has begun."""
    touched = Slot.objects.filter(
        task=OuterRef("pk"), state__in=[Slot.State.HELD, Slot.State.FILLED]
    )
    return LabelingTask.objects.filter(
        ~Exists(touched),
        kind=TaskKind.RANKING,
        purpose=Purpose.TRAINING,
        policy=version,
        state__in=[LabelingTask.State.SAMPLING, LabelingTask.State.OPEN],
    )


def retiring_tasks(version: ModelVersion) -> QuerySet[LabelingTask]:
    """Those of them that expire once it is no longer the policy.

    The setting RETIRED_TASKS may say to keep them, or every second of them, so that labelers see
    both policies.
    """
    tasks = untouched_tasks(version)
    if settings.RETIRED_TASKS == "keep":
        return tasks.none()
    if settings.RETIRED_TASKS == "mix":
        return tasks.annotate(odd=F("pk") % 2).filter(odd=1)
    return tasks
