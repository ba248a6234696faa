"""What a queue's page shows: how much waits, how fast it goes, what comes next and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from labeling.models import Assignment, LabelingTask, Queue, Slot, UseCase
from labeling.queues.mixtures import settled
from labeling.queues.next_prompts import Candidate, next_prompts, shares_of
from labeling.queues.open_slots import UNASKED
from labeling.queues.queues import lanes
from labeling.queues.sampling_settings import SamplingSettings, sampling_settings
from labeling.task_kinds import TASK_KINDS
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted

BOUND = 10_000
_NEXT = 10


@dataclass(frozen=True)
class Depth:
    """Free and held slots, tasks that wait for completions, and since when the oldest waits.

    Counts end at 10,000.
    """

    free: int
    held: int
    sampling: int
    oldest: datetime | None


@dataclass(frozen=True)
class Share:
    """A use case among the queue's latest tasks: wanted and had, both 0 to 1."""

    label: str
    wanted: float | None
    had: float


def depth(queue: Queue) -> Depth:
    """How much waits."""
    slots = Slot.objects.filter(kind=queue.kind, purpose=queue.purpose).order_by()
    free = slots.filter(state=Slot.State.FREE)
    # Tasks are numbered as they are made.
    oldest = free.order_by("task_id").values_list("task__created_at", flat=True).first()
    sampling = LabelingTask.objects.filter(
        kind=queue.kind, purpose=queue.purpose, state=LabelingTask.State.SAMPLING
    )
    held = slots.filter(state=Slot.State.HELD)
    return Depth(_bounded(free), _bounded(held), _bounded(sampling), oldest)


def slots_by_kind(state: str) -> dict[str, int]:
    """How many slots of each kind of task are in this state; counts end at 10,000."""
    return {kind: _bounded(Slot.objects.filter(kind=kind, state=state)) for kind in TASK_KINDS}


def labeled_per_hour(queue: Queue) -> tuple[int, float]:
    """Labels submitted in the last hour, and the mean of the last 24 hours."""
    now = timezone.now()
    done = Assignment.objects.filter(
        state=Assignment.State.SUBMITTED, task__kind=queue.kind, task__purpose=queue.purpose
    )
    day = done.filter(ended_at__gte=now - timedelta(days=1)).count()
    return done.filter(ended_at__gte=now - timedelta(hours=1)).count(), day / 24


def next_slots(queue: Queue) -> list[Slot]:
    """What the next claims get, in their order, for labelers that decline nothing."""
    free = Slot.objects.filter(kind=queue.kind, purpose=queue.purpose, state=Slot.State.FREE)
    free = free.exclude(task__prompt__state__in=UNASKED)
    return list(free.select_related("task__prompt").order_by("-priority", "id")[:_NEXT])


def next_drawn(queue: Queue, policy: ModelVersion | None) -> list[Candidate]:
    """The prompts that are drawn when tasks are missing; prompt writing needs none."""
    if not queue.of_kind.has_prompt:
        return []
    split, _ = lanes(queue)[0]
    return next_prompts(queue, split=split, policy=policy, wanted=_NEXT)


@dataclass(frozen=True)
class Trial:
    """What a queue would ask next, whom, and how: the prompt's text, versions by id."""

    text: str
    versions: list[int]
    sampling: SamplingSettings


def trial_of(queue: Queue) -> Trial:
    """For trying the answers before labelers see any."""
    policy = promoted(Promotion.Role.POLICY)
    drawn = next_drawn(queue, policy)
    alone = [one.prompt for one in drawn if len(one.prompt.messages) == 1]
    asked = settled(queue.mixture) or ([policy.pk] if policy else [])
    return Trial(
        text=alone[0].last_message if alone else "",
        versions=[int(pk) for pk in asked],
        sampling=sampling_settings(queue.kind, queue.purpose),
    )


def shares(queue: Queue) -> list[Share]:
    """The use cases of the queue's latest tasks beside its targets."""
    had, wanted = shares_of(queue), sum(queue.targets.values())
    total = sum(had.values()) or 1
    return [
        Share(label, _part(queue, name, wanted), had[name] / total)
        for name, label in UseCase.choices
        if name in queue.targets or had[name]
    ]


def _bounded(rows: QuerySet) -> int:
    return rows.order_by().values("pk")[:BOUND].count()


def _part(queue: Queue, name: str, wanted: float) -> float | None:
    return queue.targets[name] / wanted if name in queue.targets else None
