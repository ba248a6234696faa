"""Writes about rounds: start, pause, resume, cancel, retry, each step on the way, promotion."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from accounts.audit import Act, record
from accounts.models import User
from accounts.problems import Problem
from labeling.services.queues import retire_policy_tasks
from models_service import services as versions
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted
from trainer import selectors
from trainer.algorithms.config import ConfigError
from trainer.models import Evaluation, TrainingRound, TrainingRun
from trainer.recipes import CONFIGS, Recipe, changed, preset_recipe
from trainer.rounds import promotes
from trainer.snapshots import count_labels, freeze

State = TrainingRound.State
RunState = TrainingRun.State


@transaction.atomic
def start_round(
    *,
    preset: str,
    recipe: Mapping[str, Any] | None = None,
    start: ModelVersion | None = None,
    reward: ModelVersion | None = None,
    by: User | None = None,
    name: str = "",
) -> TrainingRound:
    """Queue a round: a preset with the recipe's changes, from `start` or the policy's own base.

    `reward` stands in for a reward stage that the recipe leaves out. Raises Problem naming every
    setting that cannot be used, and when there are too few labels.
    """
    complete = checked_recipe(preset, recipe, given=["reward"] if reward else [])
    chosen = start or _default_start()
    _require_trainable("start", chosen)
    if reward:
        _require_trainable("reward_model", reward)
    _require_labels(complete)
    round = TrainingRound.objects.create(
        name=name,
        preset=preset,
        recipe=complete.to_dict(),
        seed=complete.seed,
        start=chosen,
        reward=reward,
        started_by=by,
    )
    record(act=Act.ROUND_STARTED, by=by, target=round, detail={"preset": preset})
    return round


def checked_recipe(
    preset: str, changes: Mapping[str, Any] | None, *, given: Collection[str] = ()
) -> Recipe:
    """The preset with its changes. Raises Problem naming everything in it that cannot be used."""
    try:
        recipe = preset_recipe(preset, changes, given=given)
    except ConfigError as error:
        raise Problem(400, str(error), errors=error.errors) from error
    policies = recipe.labels.get("policies", [])
    there = ModelVersion.objects.filter(name__in=policies).values_list("name", flat=True)
    if unknown := sorted(set(policies) - set(there)):
        sentence = f"There is no model version {', '.join(unknown)}."
        raise Problem(400, sentence, errors={"labels.policies": [sentence]})
    return recipe


@transaction.atomic
def pause(*, round: TrainingRound, by: User | None = None) -> None:
    """Stop after the step at hand and keep the state. Raises Problem when it is not under way."""
    _move(round, {State.RUNNING, State.QUEUED}, State.PAUSED, "paused")
    _withdraw(round)
    record(act=Act.ROUND_PAUSED, by=by, target=round)


@transaction.atomic
def resume(*, round: TrainingRound, by: User | None = None) -> None:
    """Queue a paused round again; it goes on where it was. Raises Problem."""
    _move(round, {State.PAUSED}, State.QUEUED, "resumed")
    record(act=Act.ROUND_RESUMED, by=by, target=round)


@transaction.atomic
def cancel(*, round: TrainingRound, by: User | None = None) -> None:
    """End a round for good; what it produced stays. Raises Problem when it has ended already."""
    _move(round, {State.QUEUED, State.RUNNING, State.PAUSED}, State.CANCELLED, "cancelled",
          ended_at=Now())  # fmt: skip
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
    _move(round, {State.FAILED, State.CANCELLED}, State.QUEUED, "retried",
          failure="", ended_at=None)  # fmt: skip
    open_runs = round.runs.exclude(state__in=[RunState.FINISHED, RunState.RUNNING])
    if (afresh or recipe) and round.runs.filter(state=RunState.RUNNING).exists():
        raise Problem(409, "A worker is still ending the step at hand; try again in a moment.")
    if afresh:
        _forget_progress(open_runs)
    if recipe:
        _change_recipe(round, recipe, open_runs)
    open_runs.update(state=RunState.STOPPED, failure="", attempts=0, ended_at=None)
    detail = {"afresh": afresh, "recipe": recipe or {}}
    record(act=Act.ROUND_RETRIED, by=by, target=round, detail=detail)


def begin(*, round: TrainingRound) -> bool:
    """Take the training worker for this round; False when another one was first."""
    try:
        with transaction.atomic():
            return bool(
                TrainingRound.objects.filter(pk=round.pk, state=State.QUEUED).update(
                    state=State.RUNNING, started_at=Coalesce("started_at", Now())
                )
            )
    except IntegrityError:  # the database lets one round run
        return False


@transaction.atomic
def freeze_labels(*, round: TrainingRound) -> None:
    """Write the round's snapshot; only the first one counts."""
    snapshot = freeze(filters=round.recipe.get("labels"))
    TrainingRound.objects.filter(pk=round.pk, snapshot=None).update(snapshot=snapshot)


@transaction.atomic
def open_run(*, round: TrainingRound, stage: str) -> TrainingRun | None:
    """Make the stage's run ready for the training queue; None when somebody else did."""
    run, is_new = TrainingRun.objects.get_or_create(
        round=round,
        stage=stage,
        defaults={
            "seed": round.seed,
            "heartbeat_at": timezone.now(),
            "config": {
                "settings": {**round.recipe[stage], "seed": round.seed},
                "start": selectors.starts(round, stage),
            },
        },
    )
    if is_new:
        return run
    stopped = TrainingRun.objects.filter(pk=run.pk, state=RunState.STOPPED)
    changed = stopped.update(state=RunState.QUEUED, heartbeat_at=Now(), ended_at=None)
    return run if changed else None


@transaction.atomic
def take_up_abandoned(*, silent_since: datetime) -> list[int]:
    """Runs of the running round whose message was lost or whose worker died, to be sent again.

    A worker that died while its round was being paused or cancelled leaves its run stopped, so
    that the next round can begin.
    """
    silent = TrainingRun.objects.filter(state=RunState.RUNNING, heartbeat_at__lt=silent_since)
    silent.exclude(round__state=State.RUNNING).update(
        state=RunState.STOPPED, worker="", ended_at=Now()
    )
    old = TrainingRun.objects.filter(
        round__state=State.RUNNING, heartbeat_at__lt=silent_since
    ).select_for_update(of=("self",), skip_locked=True)
    waiting = [run.pk for run in old if run.state == RunState.QUEUED]
    dead = [run.pk for run in old if run.state == RunState.RUNNING]
    TrainingRun.objects.filter(pk__in=waiting).update(heartbeat_at=Now())
    return waiting + dead


@transaction.atomic
def fail_round(*, round: TrainingRound, stage: str) -> None:
    """Close a round one of whose stages failed."""
    run = round.runs.get(stage=stage)
    TrainingRound.objects.filter(pk=round.pk, state=State.RUNNING).update(
        state=State.FAILED, failure=f"{_place(run)}: {run.failure}", ended_at=Now()
    )


def _place(run: TrainingRun) -> str:
    """Where a run stood: "PPO, step 12 of 50"."""
    title = str(run.get_stage_display())
    return f"{title}, step {run.step} of {run.total_steps}" if run.total_steps else title


def fail_between_stages(*, round: TrainingRound, reason: str) -> None:
    """Close a round that could not take its next step."""
    TrainingRound.objects.filter(pk=round.pk, state=State.RUNNING).update(
        state=State.FAILED, failure=reason, ended_at=Now()
    )


@transaction.atomic
def finish_round(*, round: TrainingRound) -> None:
    """Close a round whose stages are done, and promote its policy if its rule says so."""
    policy = selectors.outcome(round)
    finished = TrainingRound.objects.filter(pk=round.pk, state=State.RUNNING).update(
        state=State.FINISHED, policy=policy, ended_at=Now()
    )
    evaluation = Evaluation.objects.filter(round=round).first()
    figures = evaluation.figures if evaluation else None
    if finished and policy and promotes(round.recipe["promote"], figures):
        round.refresh_from_db()
        promote_round(round=round, by=None, reason=_reason(round, evaluation))


@transaction.atomic
def promote_round(*, round: TrainingRound, by: User | None, reason: str = "") -> Promotion:
    """Make the round's policy the one labelers see, and its SFT and reward model their roles'
    players. Raises Problem while the round has no policy."""
    if round.policy is None:
        raise Problem(409, f"{round} has no policy yet. Wait until it is finished.")
    for role, stage in ((Promotion.Role.SFT, "sft"), (Promotion.Role.REWARD, "reward")):
        run = round.runs.filter(stage=stage, output__isnull=False).first()
        if run and run.output:
            versions.promote(role=role, version=run.output, by=by, reason=reason)
    return promote(role=Promotion.Role.POLICY, version=round.policy, by=by, reason=reason)


@transaction.atomic
def promote(
    *, role: str, version: ModelVersion, by: User | None = None, reason: str = ""
) -> Promotion:
    """Promote a version; waiting tasks with completions of the policy it replaces expire."""
    before = promoted(role)
    promotion = versions.promote(role=role, version=version, by=by, reason=reason)
    if role == Promotion.Role.POLICY and before and before != version:
        retire_policy_tasks(before)
    return promotion


def _withdraw(round: TrainingRound) -> None:
    """Take back a run that no worker has claimed; one under way stops at its next step."""
    round.runs.filter(state=RunState.QUEUED).update(state=RunState.STOPPED, ended_at=Now())


def _require_trainable(field: str, version: ModelVersion) -> None:
    versions.require_weights(version)
    if version.engine != ModelVersion.Engine.LOCAL:
        sentence = f"{version} lies behind a server and cannot be trained; choose a local version."
    elif not version.folder.is_dir():
        sentence = f"The folder of {version} is gone. Put it back, or choose another version."
    else:
        return
    raise Problem(400, sentence, errors={field: [sentence]})


def _require_labels(recipe: Recipe) -> None:
    there = count_labels(recipe.labels)
    needed = recipe.labels_needed()
    missing = {what: count for what, count in needed.items() if there[what] < count}
    if not missing:
        return
    errors = {what: [f"{there[what]} there, {count} needed"] for what, count in missing.items()}
    sentence = "; ".join(
        f"{what.replace('_', ' ')}: {there[what]} there, {count} needed"
        for what, count in missing.items()
    )
    raise Problem(
        409,
        f"There are not enough labels for this round ({sentence}). Collect more, choose more of "
        "them, or lower the batch sizes.",
        errors=errors,
        extra={"labels": there, "needed": needed},
    )


def _default_start() -> ModelVersion:
    """The base that the promoted policy descends from."""
    from models_service.selectors import ancestors

    policy = promoted(Promotion.Role.POLICY)
    if policy is None:
        raise Problem(409, "No policy is promoted yet. Promote a model first.")
    return [policy, *ancestors(policy)][-1]


def _move(
    round: TrainingRound, sources: set[State], target: State, done: str, **changes: Any
) -> None:
    """Change the state where it still is one of `sources`. Raises Problem where it is not."""
    moved = TrainingRound.objects.filter(pk=round.pk, state__in=sources)
    if not moved.update(state=target, **changes):
        round.refresh_from_db()
        raise Problem(409, f"{round} is {round.get_state_display().lower()} and cannot be {done}.")
    round.refresh_from_db()


def _change_recipe(
    round: TrainingRound, changes: Mapping[str, Any], runs: QuerySet[TrainingRun]
) -> None:
    finished = set(round.runs.filter(state=RunState.FINISHED).values_list("stage", flat=True))
    fixed = sorted(set(changes) & (finished | {"stages", "seed"}))
    if fixed:
        raise Problem(400, f"{fixed[0]} is settled in this round. Start a new one to change it.",
                      errors={fixed[0]: ["settled in this round"]})  # fmt: skip
    try:
        complete = changed(round.recipe, changes, given=["reward"] if round.reward else [])
    except ConfigError as error:
        raise Problem(400, str(error), errors=error.errors) from error
    TrainingRound.objects.filter(pk=round.pk).update(recipe=complete.to_dict())
    round.refresh_from_db()
    for run in runs:
        settings = {**round.recipe[run.stage], "seed": round.seed}
        before, after = (
            CONFIGS[run.stage].from_dict(s) for s in (run.config["settings"], settings)
        )
        runs.filter(pk=run.pk).update(config={**run.config, "settings": settings})
        if before.identity() != after.identity():
            _forget_progress(runs.filter(pk=run.pk))


def _forget_progress(runs: QuerySet[TrainingRun]) -> None:
    for run in runs:
        shutil.rmtree(run.work, ignore_errors=True)
        run.metrics.all().delete()
        run.samples.all().delete()
    runs.update(step=0, started_at=None)


def _reason(round: TrainingRound, evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return f"{round} ended; its rule is to promote always."
    rate = evaluation.figures["win_rate"]
    return (
        f"{round}: wins {rate['value']:.0%} (95 % interval {rate['low']:.0%} to "
        f"{rate['high']:.0%}) against {evaluation.baseline} by the reward model."
    )
