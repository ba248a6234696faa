"""What a researcher does with a round that was started: pause, resume, cancel, retry."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.audit import Act, record
from accounts.models import User
from core.problems import Problem
from core.states import Move
from trainer.algorithms.config import ConfigError
from trainer.algorithms.stages import STAGES
from trainer.models import TrainingRound, TrainingRun
from trainer.rounds.recipes import changed
from trainer.rounds.start import require_one_limit
from trainer.states import Rounds, Runs

State = TrainingRound.State
RunState = TrainingRun.State


@transaction.atomic
def pause(*, round: TrainingRound, by: User | None = None) -> None:
    """Stop after the step at hand and keep the state. Raises Problem when it is not under way."""
    _move(round, Rounds.pause, "paused")
    _withdraw(round)
    record(act=Act.ROUND_PAUSED, by=by, target=round)


@transaction.atomic
def resume(*, round: TrainingRound, by: User | None = None) -> None:
    """Queue a paused round again; it goes on where it was. Raises Problem."""
    _move(round, Rounds.resume, "resumed")
    record(act=Act.ROUND_RESUMED, by=by, target=round)


@transaction.atomic
def cancel(*, round: TrainingRound, by: User | None = None) -> None:
    """End a round; what it produced and its last state stay. Raises Problem when it has ended."""
    _move(round, Rounds.cancel, "cancelled", ended_at=Now())
    _withdraw(round)
    record(act=Act.ROUND_CANCELLED, by=by, target=round)


@transaction.atomic
def retry(
    *,
    round: TrainingRound,
    afresh: bool = False,
    recipe: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> None:
    """Queue a failed or cancelled round again, from the last saved state of the stage it failed in
    or, `afresh`, from that stage's beginning.

    `recipe` changes settings of stages that are not finished; a stage whose result it changes
    begins anew. Raises Problem.
    """
    _move(round, Rounds.retry, "retried", failure="", ended_at=None)
    open_runs = round.runs.exclude(state__in=[RunState.FINISHED, RunState.RUNNING])
    if (afresh or recipe) and round.runs.filter(state=RunState.RUNNING).exists():
        raise Problem(409, "A worker is still ending the step at hand; try again in a moment.")
    if afresh:
        _forget_progress(open_runs)
    if recipe:
        _change_recipe(round, recipe, open_runs)
    Runs.retry.apply(open_runs, failure="", attempts=0, ended_at=None)
    detail = {"afresh": afresh, "recipe": recipe or {}}
    record(act=Act.ROUND_RETRIED, by=by, target=round, detail=detail)


def _withdraw(round: TrainingRound) -> None:
    """Take back a run that no worker has claimed; one under way stops at its next step."""
    Runs.withdraw.apply(round.runs.all(), ended_at=Now())


def _move(round: TrainingRound, move: Move, done: str, **changes: Any) -> None:
    """Make the move where it still can be made. Raises Problem where it cannot."""
    if not move.apply(TrainingRound.objects.filter(pk=round.pk), **changes):
        round.refresh_from_db()
        raise Problem(409, f"{round} is {round.get_state_display().lower()} and cannot be {done}.")
    round.refresh_from_db()


def _change_recipe(
    round: TrainingRound, changes: Mapping[str, Any], runs: QuerySet[TrainingRun]
) -> None:
    given = ["reward"] if round.reward else []
    try:
        old, new = (changed(round.recipe, some, given=given) for some in ({}, changes))
    except ConfigError as error:
        raise Problem(400, str(error), errors=error.errors) from error
    require_one_limit(new)
    present, values = old.to_dict(), new.to_dict()
    _refuse_settled(round, {name for name in values if values[name] != present[name]})
    TrainingRound.objects.filter(pk=round.pk).update(recipe=values)
    round.refresh_from_db()
    for run in runs:
        settings = {**round.recipe[run.stage], "seed": round.seed}
        before, after = (
            STAGES[run.stage].config.from_dict(s) for s in (run.config["settings"], settings)
        )
        runs.filter(pk=run.pk).update(config={**run.config, "settings": settings})
        if before.identity() != after.identity():
            _forget_progress(runs.filter(pk=run.pk))


def _refuse_settled(round: TrainingRound, changes: set[str]) -> None:
    """Raises Problem naming each part of the recipe that is to change and cannot any more."""
    finished = round.runs.filter(state=RunState.FINISHED).values_list("stage", flat=True)
    settled = dict.fromkeys({"stages", "seed", *finished}, "settled in this round")
    if round.snapshot:
        settled["labels"] = f"settled: they are frozen in {round.snapshot}"
    if errors := {name: [settled[name]] for name in sorted(changes & set(settled))}:
        name, (why, *_) = next(iter(errors.items()))
        remedy = "Clone the round to change it: that starts a new one."
        raise Problem(400, f"{name}: {why}. {remedy}", errors=errors)


def _forget_progress(runs: QuerySet[TrainingRun]) -> None:
    for run in runs:
        shutil.rmtree(run.work, ignore_errors=True)
        run.metrics.all().delete()
        run.samples.all().delete()
        run.log.all().delete()
    runs.update(step=0, started_at=None)
