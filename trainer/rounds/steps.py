"""The steps of a round that workers take: begin, freeze, open a run, fail, finish."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from trainer.data.snapshots import freeze
from trainer.models import Evaluation, TrainingRound, TrainingRun
from trainer.rounds import reads
from trainer.rounds.decide import promotes
from trainer.rounds.promotion import promote_round

State = TrainingRound.State
RunState = TrainingRun.State


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
                "start": reads.starts(round, stage),
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
    policy = reads.outcome(round)
    finished = TrainingRound.objects.filter(pk=round.pk, state=State.RUNNING).update(
        state=State.FINISHED, policy=policy, ended_at=Now()
    )
    evaluation = Evaluation.objects.filter(round=round).first()
    figures = evaluation.figures if evaluation else None
    if finished and policy and promotes(round.recipe["promote"], figures):
        round.refresh_from_db()
        promote_round(round=round, by=None, reason=_reason(round, evaluation))


def _reason(round: TrainingRound, evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return f"{round} ended; its rule is to promote always."
    rate = evaluation.figures["win_rate"]
    return (
        f"{round}: wins {rate['value']:.0%} (95 % interval {rate['low']:.0%} to "
        f"{rate['high']:.0%}) against {evaluation.baseline} by the reward model."
    )
