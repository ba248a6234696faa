"""The steps of a round that workers take: begin, freeze, open a run, fail, finish."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Now

from core.jobs import silent_since
from trainer.data.snapshots import freeze
from trainer.jobs import RUNS
from trainer.models import Evaluation, TrainingRound, TrainingRun
from trainer.rounds import reads
from trainer.rounds.decide import promotes
from trainer.rounds.promotion import promote_round
from trainer.states import Rounds, Runs

State = TrainingRound.State


def begin(*, round: TrainingRound) -> bool:
    """Take the training worker for this round; False when another one was first."""
    try:
        with transaction.atomic():
            mine = TrainingRound.objects.filter(pk=round.pk)
            return bool(Rounds.begin.apply(mine, started_at=Coalesce("started_at", Now())))
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
            "config": {
                "settings": {**round.recipe[stage], "seed": round.seed},
                "start": reads.starts(round, stage),
            },
        },
    )
    if is_new:
        return run
    mine = TrainingRun.objects.filter(pk=run.pk)
    return run if Runs.reopen.apply(mine, heartbeat_at=Now(), ended_at=None) else None


@transaction.atomic
def take_up_abandoned() -> list[int]:
    """Runs of the running round whose message was lost or whose worker died, to be sent again.

    A worker that died while its round was being paused or cancelled leaves its run stopped, so
    that the next round can begin.
    """
    silent = TrainingRun.objects.filter(heartbeat_at__lt=silent_since())
    Runs.stop.apply(silent.exclude(round__state=State.RUNNING), worker="", ended_at=Now())
    return RUNS.lost(Q(round__state=State.RUNNING))


@transaction.atomic
def fail_round(*, round: TrainingRound, stage: str) -> None:
    """Close a round one of whose stages failed."""
    run = round.runs.get(stage=stage)
    fail_between_stages(round=round, reason=f"{_place(run)}: {run.failure}")


def _place(run: TrainingRun) -> str:
    """Where a run stood: "PPO, step 12 of 50"."""
    title = str(run.get_stage_display())
    return f"{title}, step {run.step} of {run.total_steps}" if run.total_steps else title


def fail_between_stages(*, round: TrainingRound, reason: str) -> None:
    """Close a round that could not take its next step."""
    mine = TrainingRound.objects.filter(pk=round.pk)
    Rounds.fail.apply(mine, failure=reason, ended_at=Now())


@transaction.atomic
def finish_round(*, round: TrainingRound) -> None:
    """Close a round whose stages are done, and promote its policy if its rule says so."""
    policy = reads.outcome(round)
    mine = TrainingRound.objects.filter(pk=round.pk)
    finished = Rounds.finish.apply(mine, policy=policy, ended_at=Now())
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
