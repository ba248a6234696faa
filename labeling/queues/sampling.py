"""Asking models for the completions of ranking tasks.

A worker claims several waiting tasks at once, so that their prompts share a batch. A claim that has
grown old is a dead worker's, or a slow one's, and is taken over; whoever stores second does
nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from labeling.models import Completion, LabelingTask, Prompt, Queue, Slot
from labeling.queues.completions import Drawn, draw
from labeling.queues.mixtures import settled
from labeling.queues.open_slots import UNASKED
from labeling.queues.slots import slots_of
from labeling.states import Tasks
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted

BATCH = 8
CLAIM_LASTS = timedelta(minutes=3)
# Tasks whose model cannot answer now let the others go first for so long.
RETRY_AFTER = timedelta(seconds=30)

logger = logging.getLogger(__name__)


def waiting_tasks() -> QuerySet[LabelingTask]:
    """Tasks that want completions and that no living worker has claimed."""
    stale = timezone.now() - CLAIM_LASTS
    return LabelingTask.objects.filter(
        Q(sampling_since=None) | Q(sampling_since__lt=stale), state=LabelingTask.State.SAMPLING
    )


def sample_waiting(*, limit: int = BATCH) -> int:
    """Claim up to `limit` waiting tasks, sample them as one batch and open them.

    Returns how many tasks were claimed; 0 also when no policy is promoted yet. Tasks of a model
    that cannot answer now wait for another attempt with the reason on them.
    """
    tasks = claim_for_sampling(limit=limit)
    drawn = draw(tasks)
    for task in tasks:
        store_completions(task=task, drawn=drawn[task.pk])
    for reason in {one.unanswered for one in drawn.values()} - {""}:
        logger.warning("Some tasks wait: %s", reason)
    return len(tasks)


@transaction.atomic
def claim_for_sampling(*, limit: int = BATCH) -> list[LabelingTask]:
    """Claim waiting tasks for this worker and settle which policy answers them.

    Those whose prompt is in quarantine or withdrawn by now expire: no model is to read it.
    """
    policy = promoted(Promotion.Role.POLICY)
    Tasks.expire.apply(waiting_tasks().filter(prompt__state__in=UNASKED))
    rows = waiting_tasks().select_for_update(skip_locked=True, of=("self",))
    if policy is None:
        rows = rows.exclude(mixture={})
    tasks = list(rows.select_related("prompt").order_by("-priority", "pk")[:limit])
    mixtures = _mixtures()
    now = timezone.now()
    for task in tasks:
        task.sampling_since = now
        if not task.mixture:
            task.mixture = mixtures.get((task.kind, task.purpose), {})
            task.policy = policy if _speaks(policy, task.mixture) else None
    LabelingTask.objects.bulk_update(tasks, ["sampling_since", "policy", "mixture"])
    return tasks


def _mixtures() -> dict[tuple[str, str], dict[str, float]]:
    """The versions that answer each mixed queue now."""
    mixed = Queue.objects.exclude(mixture={})
    return {(queue.kind, queue.purpose): settled(queue.mixture) for queue in mixed}


def _speaks(policy: ModelVersion | None, mixture: dict[str, float]) -> bool:
    return policy is not None and (not mixture or str(policy.pk) in mixture)


@transaction.atomic
def store_completions(*, task: LabelingTask, drawn: Drawn) -> bool:
    """Keep the completions and open the task, unless somebody did; whether it was us.

    Only the claim's holder marks the task broken, or lets it wait for its model.
    """
    ours = LabelingTask.objects.filter(pk=task.pk, sampling_since=task.sampling_since)
    if drawn.failure:
        return bool(Tasks.fail.apply(ours, failure=drawn.failure))
    if drawn.unanswered:
        again = timezone.now() - CLAIM_LASTS + RETRY_AFTER
        return bool(ours.update(sampling_since=again, failure=drawn.unanswered))
    assert task.prompt_id is not None, "completions answer a prompt"
    # Locked, so that who withdraws the prompt now finds the task open.
    prompt = Prompt.objects.select_for_update(no_key=True).only("state").get(pk=task.prompt_id)
    if prompt.state in UNASKED:
        return bool(Tasks.expire.apply(ours))
    said = {"policy": task.policy, "mixture": task.mixture, "sampling_since": None, "failure": ""}
    if not Tasks.open.apply(LabelingTask.objects.filter(pk=task.pk), **said):
        return False
    Completion.objects.bulk_create(drawn.completions(task))
    Slot.objects.bulk_create(slots_of(task, overlap=_overlap(task)))
    return True


def _overlap(task: LabelingTask) -> int:
    queue = Queue.objects.filter(kind=task.kind, purpose=task.purpose).first()
    return queue.overlap if queue else 1
