"""Which prompts a queue asks next, and why these.

Highest priority first: the one given by hand plus the points of the queue's rules. Within a
priority, those a queue has asked least often, in random order. Where a queue has targets, each use
case gets places until its share among the queue's latest tasks is what it should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from labeling.models import LabelingTask, Prompt, Queue, Slot, UseCase
from labeling.queues.shares import apportioned
from models_service.models import ModelVersion

LATEST = 500
"""So many of a queue's tasks are compared with its targets."""

_ORDER = ("-priority", "drawn", "shuffle")


@dataclass(frozen=True)
class Candidate:
    """A prompt to be asked, the points that rules give it, and the reason in words."""

    prompt: Prompt
    points: int
    why: str

    @property
    def priority(self) -> int:
        """What its task's will be."""
        return max(-32768, min(32767, self.prompt.priority + self.points))


def next_prompts(
    queue: Queue, *, split: str, policy: ModelVersion | None, wanted: int
) -> list[Candidate]:
    """Prompts without such a task; for rankings, then those asked least often once more."""
    active = Prompt.objects.filter(state=Prompt.State.ACTIVE, split=split)
    active = active.exclude(source=Prompt.Source.LABELS)
    asked = LabelingTask.objects.filter(
        kind=queue.kind, purpose=queue.purpose, prompt=OuterRef("pk")
    ).exclude(state=LabelingTask.State.EXPIRED)
    if not queue.of_kind.compares:
        return _by_target(queue, active.filter(~Exists(asked)), wanted)
    # A new policy is asked every prompt anew.
    by_policy = asked.filter(Q(policy=policy) | Q(policy=None))
    fresh = _by_target(queue, active.filter(~Exists(by_policy)), wanted)
    if len(fresh) < wanted:
        fresh += _asked_before(active, asked, fresh, wanted - len(fresh))
    return fresh


def shares_of(queue: Queue) -> Counter[str]:
    """How many of the queue's latest tasks each use case has."""
    tasks = LabelingTask.objects.filter(kind=queue.kind, purpose=queue.purpose)
    latest = tasks.exclude(state=LabelingTask.State.EXPIRED).order_by("-pk")
    field = "prompt__use_case" if queue.of_kind.has_prompt else "brief__use_case"
    return Counter(latest.values_list(field, flat=True)[:LATEST])


def matches(rule: Mapping[str, Any]) -> Q:
    """The prompts a rule gives its points to."""
    now = timezone.now()
    found = Q()
    for name, condition in {
        "use_case": lambda value: Q(use_case=value),
        "source": lambda value: Q(source=value),
        "older_than_days": lambda value: Q(created_at__lt=now - timedelta(days=value)),
        "newer_than_days": lambda value: Q(created_at__gt=now - timedelta(days=value)),
        "uncertain_above": lambda value: Q(uncertainty__gt=value),
    }.items():
        if name in rule:
            found &= condition(rule[name])
    return found


def _by_target(queue: Queue, rows: QuerySet[Prompt], wanted: int) -> list[Candidate]:
    chosen: list[Candidate] = []
    had = shares_of(queue) if queue.targets else Counter[str]()
    for use_case, places in apportioned(queue.targets, wanted, had).items():
        label = UseCase(use_case).label
        chosen += _best(
            queue, rows.filter(use_case=use_case), places, f"{label} is below its target"
        )
    if len(chosen) < wanted:
        rest = rows.exclude(pk__in=[one.prompt.pk for one in chosen])
        chosen += _best(queue, rest, wanted - len(chosen), "")
    return chosen


def _best(queue: Queue, rows: QuerySet[Prompt], wanted: int, why: str) -> list[Candidate]:
    """The first by priority and points.

    Whoever is among the first of all is among the first of each rule that matches it, so one short
    index look-up a rule finds them, however many prompts there are.
    """
    found = dict.fromkeys(rows.order_by(*_ORDER)[:wanted], (0, why))
    for rule in sorted(queue.rules, key=lambda rule: rule["points"]):
        reason = "; ".join(filter(None, [why, _told(rule)]))
        for prompt in rows.filter(matches(rule)).order_by(*_ORDER)[:wanted]:
            found[prompt] = (rule["points"], reason)
    candidates = [
        Candidate(prompt, points, _reason(prompt, reason))
        for prompt, (points, reason) in found.items()
    ]
    candidates.sort(key=lambda one: (-one.priority, one.prompt.drawn, one.prompt.shuffle))
    return candidates[:wanted]


def _reason(prompt: Prompt, reason: str) -> str:
    by_hand = f"priority {prompt.priority} by hand" if prompt.priority else ""
    turn = "" if reason or by_hand else "its turn, in random order"
    return "; ".join(filter(None, [by_hand, reason, turn]))


def _told(rule: Mapping[str, Any]) -> str:
    named = ", ".join(f"{name} {value}" for name, value in rule.items() if name != "points")
    return f"{rule['points']:+d} by the rule {named.replace('_', ' ')}"


def _asked_before(
    active: QuerySet[Prompt],
    asked: QuerySet[LabelingTask],
    fresh: Iterable[Candidate],
    wanted: int,
) -> list[Candidate]:
    in_flight = asked.filter(
        Q(state=LabelingTask.State.SAMPLING)
        | Q(slots__state__in=[Slot.State.FREE, Slot.State.HELD])
        | Q(state=LabelingTask.State.BROKEN)
    )
    rested = active.filter(~Exists(in_flight)).exclude(pk__in=[one.prompt.pk for one in fresh])
    return [
        Candidate(prompt, 0, "asked before; every prompt was")
        for prompt in rested.order_by("drawn", "shuffle")[:wanted]
    ]
