"""Opening and closing evaluations, and asking prompts again whose labels are in doubt."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest, Now

from accounts.audit import Act, record
from accounts.models import User
from core.problems import Problem
from labeling.human_evaluation.results import labelers_in
from labeling.models import (
    BulkChange,
    Guideline,
    HeadToHead,
    LabelerProfile,
    LabelingTask,
    Prompt,
    Queue,
    Slot,
    TaskKind,
)
from labeling.models.guidelines import Purpose
from labeling.models.prompts import Split
from labeling.states import Slots, Tasks
from models_service.models import Kind, ModelVersion

MOST_VERSIONS = 8
MOST_TASKS = 5000
URGENT = 10
"""Priority of prompts asked again: before everything that came by itself."""

Errors = dict[str, list[str]]


@transaction.atomic
def open_head_to_head(
    *,
    ladder: Sequence[ModelVersion],
    baseline: ModelVersion,
    split: str = Split.TEST,
    prompts: int,
    labels_training: int = 1,
    labels_held_out: int = 0,
    pairs: str = HeadToHead.Pairs.BASELINE,
    name: str = "",
    seed: int = 0,
    by: User | None = None,
) -> HeadToHead:
    """Open a ranking task of two completions for each prompt and pair of versions.

    The same prompts for every pair, and the same again for the next evaluation of this split. A
    sampling worker fills the tasks. Raises Problem naming every field that cannot be used.
    """
    contest = HeadToHead(
        name=name,
        ladder=[version.pk for version in ladder],
        baseline=baseline,
        split=split,
        prompts=prompts,
        labels_training=labels_training,
        labels_held_out=labels_held_out,
        pairs=pairs,
        seed=seed or random.randrange(2**31),
        created_by=by,
    )
    asked = list(_askable(split)[: max(prompts, 0)])
    _require(contest, ladder, asked)
    contest.save()
    LabelingTask.objects.bulk_create(
        _task(contest, prompt, pair) for prompt in asked for pair in pairs_of(contest)
    )
    record(act=Act.EVALUATION_OPENED, by=by, target=contest, detail={"prompts": len(asked)})
    return contest


def pairs_of(contest: HeadToHead) -> list[tuple[int, int]]:
    """Ids of the versions that meet, each pair once, in the ladder's order."""
    every = list(combinations(contest.ladder, 2))
    if contest.pairs == HeadToHead.Pairs.ALL:
        return every
    return [pair for pair in every if contest.baseline_id in pair]


@transaction.atomic
def close_head_to_head(contest: HeadToHead, *, by: User | None = None) -> bool:
    """Ask for no more labels; whether this call closed it. What labelers hold may be finished."""
    open_one = HeadToHead.objects.filter(pk=contest.pk, closed_at=None)
    if not open_one.update(closed_at=Now()):
        return False
    Slots.close.apply(Slot.objects.filter(task__head_to_head=contest))
    wanted = Slot.objects.filter(task=OuterRef("pk")).exclude(state=Slot.State.CLOSED)
    Tasks.expire.apply(LabelingTask.objects.filter(~Exists(wanted), head_to_head=contest))
    record(act=Act.EVALUATION_CLOSED, by=by, target=contest)
    contest.refresh_from_db()
    return True


@transaction.atomic
def ask_again(*, prompts: Sequence[int], by: User | None = None) -> BulkChange:
    """Put prompts (by id) at the head of the queue with a new ranking task each.

    What waits for them already is raised instead. Prompts of the test split, which are never
    trained on, and prompts that are not active stay as they are. The change can be undone.
    """
    usable = Prompt.objects.filter(pk__in=prompts, state=Prompt.State.ACTIVE)
    usable = usable.exclude(split=Split.TEST)
    before: dict[str, list[int]] = defaultdict(list)
    for pk, old in usable.order_by("pk").select_for_update().values_list("pk", "priority"):
        before[json.dumps(old)].append(pk)
    ids = sorted(pk for some in before.values() for pk in some)
    Prompt.objects.filter(pk__in=ids).update(priority=Greatest(F("priority"), URGENT))
    raised, asked = _raise(ids)
    queue, _ = Queue.objects.get_or_create(kind=TaskKind.RANKING, purpose=Purpose.TRAINING)
    opened = LabelingTask.objects.bulk_create(
        _training_task(pk, queue) for pk in ids if pk not in asked
    )
    change = BulkChange.objects.create(
        table=BulkChange.Table.PROMPT,
        field="priority",
        value=URGENT,
        before=before,
        opened=[task.pk for task in opened],
        raised=raised,
        count=len(ids),
        by=by,
    )
    detail = {"field": "priority", "value": URGENT, "asked_again": ids}
    record(act=Act.PROMPTS_CHANGED, by=by, target=change, detail=detail)
    return change


def _raise(prompts: Sequence[int]) -> tuple[dict[str, list[int]], set[int]]:
    """Raise what waits for these prompts: the tasks by the priority they had, and the prompts."""
    raised: dict[str, list[int]] = defaultdict(list)
    asked = set()
    for pk, prompt, old in list(_waiting(prompts).values_list("pk", "prompt", "priority")):
        asked.add(prompt)
        if old < URGENT:
            raised[str(old)].append(pk)
    ids = [pk for some in raised.values() for pk in some]
    LabelingTask.objects.filter(pk__in=ids).update(priority=URGENT)
    Slot.objects.filter(task__in=ids, state=Slot.State.FREE).update(priority=URGENT)
    return raised, asked


def _askable(split: str) -> QuerySet[Prompt]:
    """In an order that stays, so that two evaluations ask the same."""
    return Prompt.objects.filter(state=Prompt.State.ACTIVE, split=split).order_by("shuffle")


def _require(contest: HeadToHead, ladder: Sequence[ModelVersion], asked: Sequence[Prompt]) -> None:
    errors: Errors = {}
    if sentence := _fault_of_ladder(contest, ladder):
        errors["ladder"] = [sentence]
    if contest.baseline_id not in contest.ladder:
        errors["baseline"] = ["The baseline must be one of the versions."]
    if contest.split not in (Split.VALIDATION, Split.TEST):
        errors["split"] = ["Choose validation or test: other prompts were trained on."]
    elif contest.prompts < 1 or len(asked) < contest.prompts:
        there = _askable(contest.split).count()
        errors["prompts"] = [
            f"Choose from 1 to {there}: so many {contest.split} prompts there are."
        ]
    if contest.pairs not in HeadToHead.Pairs.values:
        errors["pairs"] = ["Choose baseline or all."]
    elif len(asked) * len(pairs_of(contest)) > MOST_TASKS:
        errors["prompts"] = [f"These are more than {MOST_TASKS} tasks; ask fewer prompts."]
    errors |= _faults_of_labels(contest)
    if not Guideline.objects.filter(kind=TaskKind.RANKING, purpose=Purpose.EVALUATION).exists():
        errors["guideline"] = ["Publish a guideline for ranking in evaluations first."]
    if errors:
        first = next(iter(errors.values()))[0]
        raise Problem(400, f"The evaluation cannot be opened. {first}", errors=errors)


def _fault_of_ladder(contest: HeadToHead, ladder: Sequence[ModelVersion]) -> str:
    if not 2 <= len(set(contest.ladder)) <= MOST_VERSIONS:
        return f"Choose from 2 to {MOST_VERSIONS} versions."
    if len(set(contest.ladder)) < len(contest.ladder):
        return "A version is named twice."
    mute = [version for version in ladder if version.kind == Kind.REWARD]
    return f"{mute[0]} is a reward model and cannot speak." if mute else ""


def _faults_of_labels(contest: HeadToHead) -> Errors:
    if contest.labels_each < 1:
        return {"labels_training": ["At least one label is wanted."]}
    held_out = labelers_in(LabelerProfile.Group.HELD_OUT)
    if contest.labels_held_out > held_out:
        return {"labels_held_out": [f"There are {held_out} held-out labelers; ask for no more."]}
    return {}


def _task(contest: HeadToHead, prompt: Prompt, pair: tuple[int, int]) -> LabelingTask:
    return LabelingTask(
        kind=TaskKind.RANKING,
        purpose=Purpose.EVALUATION,
        prompt=prompt,
        state=LabelingTask.State.SAMPLING,
        completions_wanted=2,
        mixture={str(version): 1 for version in pair},
        head_to_head=contest,
        seed=(contest.seed + prompt.pk) % 2**31,
    )


def _waiting(prompts: Sequence[int]) -> QuerySet[LabelingTask]:
    """Training rankings of these prompts that somebody may still claim."""
    free = Slot.objects.filter(task=OuterRef("pk"), state=Slot.State.FREE)
    return LabelingTask.objects.filter(
        Exists(free) | Q(state=LabelingTask.State.SAMPLING),
        prompt__in=prompts,
        kind=TaskKind.RANKING,
        purpose=Purpose.TRAINING,
    )


def _training_task(prompt: int, queue: Queue) -> LabelingTask:
    return LabelingTask(
        kind=queue.kind,
        purpose=queue.purpose,
        prompt_id=prompt,
        priority=URGENT,
        state=LabelingTask.State.SAMPLING,
        completions_wanted=queue.completions,
        seed=random.randrange(2**31),
    )
