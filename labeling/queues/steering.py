"""Steering the queues: who runs, pauses and drains, what goes first, what is withdrawn.

Changes of many rows keep what was there before, so that they can be undone.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.audit import Act, record
from accounts.models import User
from accounts.permissions import may
from core.problems import Problem, refuse
from labeling.expiry import expire_untouched
from labeling.models import BulkChange, LabelingTask, Prompt, Queue, Slot, UseCase
from labeling.states import Slots, Tasks

MODES = {
    "running": {"paused": False, "draining": False},
    "draining": {"paused": False, "draining": True},
    "paused": {"paused": True, "draining": False},
}
"""What a queue can be told: to go on, to finish what is open, or to hand out nothing."""

_CONDITIONS = {"use_case", "source", "older_than_days", "newer_than_days", "uncertain_above"}
_MOST_POINTS = 10_000
_WITHDRAWABLE = (Prompt.State.ACTIVE, Prompt.State.WITHDRAWN)


@transaction.atomic
def set_mode(*, queue: Queue, mode: str, by: User) -> None:
    """Let the queue run, drain or pause. Raises Problem for an unknown mode."""
    if mode not in MODES:
        refuse("mode", f"Must be one of {', '.join(MODES)}.")
    Queue.objects.filter(pk=queue.pk).update(**MODES[mode])
    record(act=Act.QUEUE_CHANGED, by=by, target=queue, detail={"mode": mode})


@transaction.atomic
def expire_waiting(*, queue: Queue, by: User) -> BulkChange:
    """Expire what waits in the queue and nobody has begun or labeled."""
    tasks = LabelingTask.objects.filter(
        kind=queue.kind, purpose=queue.purpose, head_to_head=None, state=LabelingTask.State.OPEN
    )
    return expire_tasks(tasks=tasks, by=by)


@transaction.atomic
def expire_tasks(*, tasks: QuerySet[LabelingTask], by: User) -> BulkChange:
    """Expire open tasks that nobody holds or has labeled; the others stay."""
    ids = expire_untouched(tasks)
    change = BulkChange.objects.create(
        table=BulkChange.Table.TASK,
        field="state",
        value=LabelingTask.State.EXPIRED,
        before={json.dumps(LabelingTask.State.OPEN): ids},
        count=len(ids),
        by=by,
    )
    return _noted(change, Act.TASKS_CHANGED)


@transaction.atomic
def prioritise_tasks(*, tasks: QuerySet[LabelingTask], priority: int, by: User) -> BulkChange:
    """Set the priority of tasks, and of their slots, by which claims are ordered."""
    _require_priority(priority)
    change = _change(BulkChange.Table.TASK, tasks, "priority", priority, by)
    Slot.objects.filter(task__in=_ids(change)).update(priority=priority)
    return _noted(change, Act.TASKS_CHANGED)


@transaction.atomic
def change_prompts(*, prompts: QuerySet[Prompt], field: str, value: Any, by: User) -> BulkChange:
    """Set the priority, the use case or the state (active or withdrawn) of prompts.

    Waiting tasks of withdrawn prompts expire. Those that hold personal data only an admin makes
    active again. Raises Problem naming the field.
    """
    if field == "priority":
        _require_priority(value)
    elif field == "use_case" and value not in UseCase.values:
        refuse("use_case", "Choose one of the ten use cases.")
    elif field == "state":
        if value not in _WITHDRAWABLE:
            refuse("state", "Prompts can be made active or withdrawn.")
        # Erased ones stay out.
        prompts = prompts.filter(state__in=_WITHDRAWABLE).exclude(fingerprint__startswith="erased-")
        if value == Prompt.State.ACTIVE and not may(by, ()):
            prompts = prompts.filter(spans=[])
    elif field not in ("priority", "use_case"):
        refuse("field", "Choose priority, use_case or state.")
    change = _change(BulkChange.Table.PROMPT, prompts, field, value, by)
    if value == Prompt.State.WITHDRAWN:
        waiting = LabelingTask.objects.filter(prompt__in=_ids(change))
        BulkChange.objects.filter(pk=change.pk).update(expired=expire_untouched(waiting))
    return _noted(change, Act.PROMPTS_CHANGED)


@transaction.atomic
def undo(*, change: BulkChange, by: User) -> int:
    """Put back what was there, where it is still as the change left it; returns how many rows.

    Raises Problem when it was undone before, and 403 where it is about the quarantine and somebody
    else than an admin asks.
    """
    if _is_about_quarantine(change) and not may(by, ()):
        raise Problem(403, "What was put into quarantine or taken out of it, only admins undo.")
    if not BulkChange.objects.filter(pk=change.pk, undone_at=None).update(undone_at=timezone.now()):
        raise Problem(409, "This change was undone already.")
    count = sum(_put_back(change, json.loads(old), ids) for old, ids in change.before.items())
    _revive(change.expired)
    _withdraw_asked(change)
    act = Act.TASKS_CHANGED if change.table == BulkChange.Table.TASK else Act.PROMPTS_CHANGED
    record(act=act, by=by, target=change, detail={"undone": change.pk, "count": count})
    return count


def check_targets(targets: Any) -> None:
    """Raise the Problem that these shares of use cases have, if any."""
    if not isinstance(targets, dict):
        refuse("targets", "Targets are an object of use cases and shares.")
    for name, share in targets.items():
        if name not in UseCase.values:
            refuse("targets", f"{name} is not a use case; known are {', '.join(UseCase.values)}.")
        if not _is_number(share) or not share > 0:
            refuse("targets", f"The share of {name} must be a number above 0.")


def check_rules(rules: Any) -> None:
    """Raise the Problem that these rules of priority have, if any."""
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        refuse("rules", "Rules are a list of objects.")
    for number, rule in enumerate(rules, start=1):
        if sentence := _fault(rule):
            refuse("rules", f"Rule {number}: {sentence}")


def _fault(rule: dict[str, Any]) -> str:
    if unknown := rule.keys() - _CONDITIONS - {"points"}:
        return f"{sorted(unknown)[0]} is unknown; known are {', '.join(sorted(_CONDITIONS))}."
    points = rule.get("points")
    if not isinstance(points, int) or isinstance(points, bool) or not 0 < points <= _MOST_POINTS:
        return f"points must be a whole number from 1 to {_MOST_POINTS}."
    if rule.get("use_case", UseCase.OTHER) not in UseCase.values:
        return f"use_case must be one of {', '.join(UseCase.values)}."
    if rule.get("source", Prompt.Source.API) not in Prompt.Source.values:
        return f"source must be one of {', '.join(Prompt.Source.values)}."
    for name in ("older_than_days", "newer_than_days", "uncertain_above"):
        if not _is_number(value := rule.get(name, 1)) or not 0 <= value <= _MOST_POINTS:
            return f"{name} must be a number from 0 to {_MOST_POINTS}."
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _require_priority(priority: Any) -> None:
    if not isinstance(priority, int) or not -_MOST_POINTS <= priority <= _MOST_POINTS:
        refuse("priority", f"Must be a whole number from {-_MOST_POINTS} to {_MOST_POINTS}.")


_MODELS: dict[str, type[Prompt] | type[LabelingTask]] = {
    BulkChange.Table.PROMPT: Prompt,
    BulkChange.Table.TASK: LabelingTask,
}


def _change(table: str, rows: QuerySet[Any], field: str, value: Any, by: User) -> BulkChange:
    # By number alone: the page's rows may come with annotations that cannot be locked.
    plain = _MODELS[table].objects.filter(pk__in=rows.order_by().values("pk"))
    before: dict[str, list[int]] = defaultdict(list)
    others = plain.exclude(**{field: value}).order_by("pk")
    for pk, old in others.select_for_update().values_list("pk", field):
        before[json.dumps(old)].append(pk)
    change = BulkChange.objects.create(
        table=table,
        field=field,
        value=value,
        before=before,
        count=sum(map(len, before.values())),
        by=by,
    )
    _MODELS[table].objects.filter(pk__in=_ids(change)).update(**{field: value})
    return change


def _is_about_quarantine(change: BulkChange) -> bool:
    return Prompt.State.QUARANTINED in (change.value, *map(json.loads, change.before))


def _withdraw_asked(change: BulkChange) -> None:
    """Let go what asking prompts again had opened or raised, as far as nobody has begun it."""
    for old, ids in change.raised.items():
        LabelingTask.objects.filter(pk__in=ids).update(priority=int(old))
        Slot.objects.filter(task__in=ids).update(priority=int(old))
    opened = LabelingTask.objects.filter(pk__in=change.opened)
    expire_untouched(opened)
    Tasks.expire.apply(opened.filter(state=LabelingTask.State.SAMPLING))


def _put_back(change: BulkChange, old: Any, ids: Sequence[int]) -> int:
    if change.table == BulkChange.Table.TASK and change.field == "state":
        return _revive(ids)
    rows: QuerySet[Any] = _MODELS[change.table].objects.all()
    same = list(
        rows.filter(pk__in=ids, **{change.field: change.value}).values_list("pk", flat=True)
    )
    if change.table == BulkChange.Table.TASK:
        Slot.objects.filter(task__in=same).update(priority=old)
    count = rows.filter(pk__in=same).update(**{change.field: old})
    if old == Prompt.State.QUARANTINED:
        expire_untouched(LabelingTask.objects.filter(prompt__in=same))
    return count


def _ids(change: BulkChange) -> Sequence[int]:
    return [pk for ids in change.before.values() for pk in ids]


def _noted(change: BulkChange, act: Act) -> BulkChange:
    detail = {"field": change.field, "value": change.value, "count": change.count}
    record(act=act, by=change.by, target=change, detail=detail)
    return change


def _revive(ids: Sequence[int]) -> int:
    tasks = LabelingTask.objects.filter(pk__in=ids)
    Slots.unclose.apply(
        Slot.objects.filter(task__in=tasks.filter(state=LabelingTask.State.EXPIRED))
    )
    return Tasks.revive.apply(tasks)
