"""Keeping tasks ready: how many of each kind, from which prompts, for which policy.

Ready means that nobody has touched the task yet, so a labeler who released everything still gets
new work. No queue draws from the test split, which head-to-heads alone ask, to judge models for
good. Training keeps a share of validation tasks ready, the only ones that held-out labelers may
take; evaluation and screening ask nothing else.
"""

from __future__ import annotations

import random

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef

from labeling.expiry import retiring_tasks
from labeling.models import Assignment, LabelingTask, Prompt, Queue, Slot, TaskKind
from labeling.models.guidelines import Purpose
from labeling.models.prompts import Split
from labeling.queues.next_prompts import Candidate, next_prompts, shares_of
from labeling.queues.sampling import waiting_tasks
from labeling.queues.shares import USE_CASES, apportioned
from labeling.queues.slots import slots_of
from labeling.states import Slots, Tasks
from labeling.task_kinds import TASK_KINDS
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted

_READY = 12  # of a kind that the settings do not name
_VALIDATION_SHARE = 6  # one in six ready training tasks asks for a validation label


def ensure_queues() -> None:
    """A training queue of each kind with the settings' values, where they are missing."""
    for kind in TASK_KINDS:
        Queue.objects.get_or_create(
            kind=kind,
            purpose=Purpose.TRAINING,
            defaults={
                "ready": settings.LABELING.get(f"{kind}_tasks_ready", _READY),
                "completions": settings.LABELING["completions_per_ranking"],
            },
        )


@transaction.atomic
def refill() -> list[int]:
    """Top up every queue and expire what a retired policy left behind.

    Returns the ids of the tasks that wait for completions, those of dead workers among them.
    """
    if not Queue.objects.exists():
        ensure_queues()
    policy = promoted(Promotion.Role.POLICY)
    for version in _other_policies(policy):
        retire_policy_tasks(version)
    # Locked, so that two refills at once do not both fill the same gap.
    for queue in Queue.objects.select_for_update().filter(paused=False, draining=False):
        for split, ready in lanes(queue):
            _top_up(queue, split, ready, policy)
    return list(waiting_tasks().order_by("pk").values_list("pk", flat=True))


def lanes(queue: Queue) -> list[tuple[str, int]]:
    """The splits a queue draws from, with how many tasks of each it keeps ready."""
    if not queue.of_kind.has_prompt:
        return [(Split.TRAIN, queue.ready)]
    if queue.purpose != Purpose.TRAINING:
        return [(Split.VALIDATION, queue.ready)]
    validation = queue.ready // _VALIDATION_SHARE
    return [(Split.TRAIN, queue.ready - validation), (Split.VALIDATION, validation)]


def _top_up(queue: Queue, split: str, ready: int, policy: ModelVersion | None) -> None:
    missing = ready - _ready(queue, split)
    if missing <= 0:
        return
    if not queue.of_kind.has_prompt:
        _create(queue, [_for_writing(queue, use_case) for use_case in _to_write(queue, missing)])
    else:
        drawn = next_prompts(queue, split=split, policy=policy, wanted=missing)
        _create(queue, [_for_prompt(queue, one) for one in drawn])
        ids = [one.prompt.pk for one in drawn]
        Prompt.objects.filter(pk__in=ids).update(drawn=F("drawn") + 1)


def _ready(queue: Queue, split: str) -> int:
    touched = Assignment.objects.filter(task=OuterRef("task"))
    free = Slot.objects.filter(
        ~Exists(touched),
        kind=queue.kind,
        purpose=queue.purpose,
        split=split,
        state=Slot.State.FREE,
    )
    sampling = LabelingTask.objects.filter(
        kind=queue.kind,
        purpose=queue.purpose,
        prompt__split=split,
        state=LabelingTask.State.SAMPLING,
    )
    return free.order_by().values("task").distinct().count() + sampling.count()


def _for_prompt(queue: Queue, one: Candidate) -> LabelingTask:
    compares = queue.of_kind.compares
    return LabelingTask(
        kind=queue.kind,
        purpose=queue.purpose,
        prompt=one.prompt,
        priority=one.priority,
        state=LabelingTask.State.SAMPLING if compares else LabelingTask.State.OPEN,
        completions_wanted=queue.completions if compares else 0,
        seed=random.randrange(2**31),
    )


def _to_write(queue: Queue, wanted: int) -> list[str]:
    """Use cases to write prompts for: by the queue's targets, else drawn from the paper's."""
    if not queue.targets:
        return random.choices(list(USE_CASES), list(USE_CASES.values()), k=wanted)
    return list(apportioned(queue.targets, wanted, shares_of(queue)).elements())


def _for_writing(queue: Queue, use_case: str) -> LabelingTask:
    return LabelingTask(
        kind=queue.kind,
        purpose=queue.purpose,
        brief={"use_case": use_case},
        state=LabelingTask.State.OPEN,
    )


def _create(queue: Queue, tasks: list[LabelingTask]) -> None:
    LabelingTask.objects.bulk_create(tasks)
    open_now = [task for task in tasks if task.state == LabelingTask.State.OPEN]
    Slot.objects.bulk_create(
        slot for task in open_now for slot in slots_of(task, overlap=queue.overlap)
    )


def _other_policies(policy: ModelVersion | None) -> list[ModelVersion]:
    free = Slot.objects.filter(
        kind=TaskKind.RANKING, purpose=Purpose.TRAINING, state=Slot.State.FREE
    )
    answered_by = free.order_by().values("task__policy").distinct()
    retired = ModelVersion.objects.filter(pk__in=answered_by)
    return list(retired.exclude(pk=policy.pk) if policy else [])


@transaction.atomic
def retire_policy_tasks(version: ModelVersion) -> int:
    """Expire the unlabeled ranking tasks this policy answered, as far as the setting RETIRED_TASKS
    says so; returns how many."""
    ids = list(retiring_tasks(version).values_list("pk", flat=True))
    wanted = Slot.objects.filter(task=OuterRef("pk"))
    Slots.close.apply(Slot.objects.filter(task__in=ids))
    # A claim may have come in between; its task stays.
    return Tasks.expire.apply(
        LabelingTask.objects.filter(~Exists(wanted.exclude(state=Slot.State.CLOSED)), pk__in=ids)
    )
