"""Schedules: rounds that start by themselves, at a time of the week or after so many rankings."""

from __future__ import annotations

from datetime import datetime, time

from django.db import transaction
from django.utils import timezone

from accounts.audit import Act, record
from accounts.models import User
from core.problems import Problem, refuse
from labeling.models import Ranking
from trainer.models import SavedRecipe, Schedule, TrainingRound
from trainer.rounds.due_times import next_start
from trainer.rounds.start import start_round

_OPEN = (TrainingRound.State.QUEUED, TrainingRound.State.RUNNING, TrainingRound.State.PAUSED)


@transaction.atomic
def add_schedule(
    *,
    recipe: SavedRecipe,
    weekday: int | None = None,
    at: time | None = None,
    after_rankings: int | None = None,
    by: User | None = None,
) -> Schedule:
    """Start the recipe every week or day at a time, or after so many new rankings. Raises Problem
    unless exactly one of the two is asked for."""
    if (at is None) == (after_rankings is None):
        sentence = "Say either a time of day or a number of new rankings."
        refuse("at", sentence)
    schedule = Schedule.objects.create(
        recipe=recipe,
        weekday=weekday if at else None,
        at=at,
        next_at=_next(weekday, at, timezone.now()) if at else None,
        after_rankings=after_rankings,
        rankings_then=count_rankings() if after_rankings else 0,
        made_by=by,
    )
    record(act=Act.SCHEDULE_ADDED, by=by, target=schedule, detail={"recipe": recipe.pk})
    return schedule


@transaction.atomic
def pause_schedule(*, schedule: Schedule, by: User | None = None) -> None:
    """Let it start nothing until it is resumed."""
    Schedule.objects.filter(pk=schedule.pk).update(paused=True)
    record(act=Act.SCHEDULE_CHANGED, by=by, target=schedule, detail={"paused": True})


@transaction.atomic
def resume_schedule(*, schedule: Schedule, by: User | None = None) -> None:
    """Let it start again, from the next time on: what it missed while paused stays missed."""
    changes = {"paused": False, "failure": ""}
    if schedule.at:
        changes["next_at"] = _next(schedule.weekday, schedule.at, timezone.now())
    Schedule.objects.filter(pk=schedule.pk).update(**changes)
    record(act=Act.SCHEDULE_CHANGED, by=by, target=schedule, detail={"paused": False})


@transaction.atomic
def remove_schedule(*, schedule: Schedule, by: User | None = None) -> None:
    """Forget it; the rounds it started stay."""
    record(act=Act.SCHEDULE_REMOVED, by=by, target=schedule)
    schedule.delete()


def start_due(now: datetime) -> list[TrainingRound]:
    """Queue the round of every schedule that is due, once each, however many callers there are.

    A start that was missed because nothing ran is made up for once. One that cannot be made leaves
    its reason with the schedule, which goes on.
    """
    started = []
    for schedule in _due(now):
        with transaction.atomic():  # it moves on and its round is there, or neither
            if _take(schedule, now) and (round := _start(schedule)):
                started.append(round)
    return started


def count_rankings() -> int:
    """Rankings there are, those taken out not counted."""
    return Ranking.objects.filter(excluded_at=None).count()


def _due(now: datetime) -> list[Schedule]:
    waiting = Schedule.objects.filter(paused=False).select_related("recipe", "last_round")
    rankings = count_rankings()
    return [
        one
        for one in waiting
        if (one.next_at and one.next_at <= now)
        or (one.after_rankings and rankings - one.rankings_then >= one.after_rankings)
    ]


def _take(schedule: Schedule, now: datetime) -> bool:
    """Move the schedule on; False where another caller has done so already, or it was paused."""
    same = Schedule.objects.filter(
        pk=schedule.pk,
        paused=False,
        next_at=schedule.next_at,
        rankings_then=schedule.rankings_then,
    )
    if schedule.at:
        return bool(same.update(next_at=_next(schedule.weekday, schedule.at, now)))
    return bool(same.update(rankings_then=count_rankings()))


def _start(schedule: Schedule) -> TrainingRound | None:
    own = Schedule.objects.filter(pk=schedule.pk)
    last = schedule.last_round
    if last and last.state in _OPEN:
        own.update(failure=f"It was due, but {last} is not over. It starts the next time.")
        return None
    try:
        round = start_round(
            preset=schedule.recipe.preset,
            recipe=schedule.recipe.recipe,
            by=schedule.made_by,
            name=f"{schedule.recipe}, {timezone.localtime():%Y-%m-%d %H:%M}",
        )
    except Problem as problem:
        own.update(failure=str(problem.detail))
        return None
    own.update(last_round=round, failure="")
    return round


def _next(weekday: int | None, at: time, now: datetime) -> datetime:
    return next_start(weekday=weekday, at=at, after=timezone.localtime(now))
