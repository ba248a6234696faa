"""Reads about rounds: their state for `decide`, what a stage starts from, what can be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from labeling.models import Ranking
from labeling.queues import sampling_reads
from models_service.models import ModelVersion, Promotion
from models_service.selectors import ancestors, promoted
from trainer.algorithms.stages import STAGES, last_policy
from trainer.models import TrainingRound, TrainingRun
from trainer.rounds.decide import RoundState

State = TrainingRound.State
UNDER_WAY = (State.RUNNING, State.QUEUED)


def open_rounds() -> list[TrainingRound]:
    """Rounds that may have a next step, the running one first, then the oldest."""
    rounds = TrainingRound.objects.filter(state__in=UNDER_WAY)
    return sorted(rounds, key=lambda round: (round.state != State.RUNNING, round.pk))


def round_state(round: TrainingRound) -> RoundState:
    """What `rounds.decide` needs to know."""
    others = TrainingRun.objects.filter(state=TrainingRun.State.RUNNING).exclude(round=round)
    elsewhere = TrainingRound.objects.filter(state=State.RUNNING).exclude(pk=round.pk)
    return RoundState(
        state=round.state,
        stages=tuple(round.recipe["stages"]),
        frozen=round.snapshot_id is not None,
        runs=dict(round.runs.values_list("stage", "state")),
        busy=others.exists() or elsewhere.exists(),
    )


def ahead(round: TrainingRound) -> int | None:
    """How many rounds go before a queued one; None of any other."""
    if round.state != State.QUEUED:
        return None
    before = Q(state=State.RUNNING) | Q(state=State.QUEUED, pk__lt=round.pk)
    return TrainingRound.objects.filter(before).count()


def starts(round: TrainingRound, stage: str) -> dict[str, int]:
    """Ids of the versions a stage starts from, by the name its algorithm gives them."""
    made = {
        run.stage: run.output_id for run in round.runs.filter(output__isnull=False) if run.output_id
    }
    if round.reward_id:
        made.setdefault("reward", round.reward_id)
    judge = _judge_of_epochs(round.start) if stage == "sft" else {}
    return STAGES[stage].starts(made, round.start_id) | judge


def outcome(round: TrainingRound) -> ModelVersion | None:
    """The policy a round ends with: that of its last stage that makes one."""
    outputs = {
        run.stage: run.output
        for run in round.runs.filter(output__isnull=False).select_related("output")
    }
    return last_policy(outputs)


def stage_titles(round: TrainingRound) -> list[tuple[str, str]]:
    """Name and title of each stage, in order."""
    return [(stage, STAGES[stage].title) for stage in round.recipe["stages"]]


def settings_by_stage(round: TrainingRound) -> list[tuple[str, dict[str, Any]]]:
    """Each stage's title and the settings it runs with."""
    return [(title, round.recipe[stage]) for stage, title in stage_titles(round)]


ACTIONS: Mapping[str, tuple[str, ...]] = {
    State.QUEUED: ("pause", "cancel"),
    State.RUNNING: ("pause", "cancel"),
    State.PAUSED: ("resume", "cancel"),
    State.FAILED: ("retry", "cancel"),
    State.CANCELLED: ("retry",),
    State.FINISHED: ("promote",),
}


def actions(round: TrainingRound) -> list[str]:
    """What a researcher can do with the round now."""
    possible = list(ACTIONS[round.state])
    if round.policy is None or is_in_office(round):
        return [action for action in possible if action != "promote"]
    return possible


def is_in_office(round: TrainingRound) -> bool:
    """Whether the round's policy is the one that answers labelers."""
    return round.policy is not None and promoted(Promotion.Role.POLICY) == round.policy


def on_policy_share(round: TrainingRound) -> float | None:
    """The share, 0 to 1, of the compared completions that came from the promoted policy when the
    round began; None before it has a snapshot."""
    office = Promotion.objects.filter(
        role=Promotion.Role.POLICY, at__lte=round.started_at or round.created_at
    )
    newest = office.select_related("version").order_by("-id").first()
    if round.snapshot is None or newest is None:
        return None
    rankings = Ranking.objects.filter(snapshots__snapshot=round.snapshot)
    return sampling_reads.on_policy_share(rankings, newest.version)


def _judge_of_epochs(start: ModelVersion) -> dict[str, int]:
    """The promoted reward model, if it descends from the same model, chooses SFT's epoch."""
    reward = promoted(Promotion.Role.REWARD)
    if reward is None or start not in ancestors(reward):
        return {}
    return {"reward": reward.pk}


def summary(round: TrainingRound) -> dict[str, Any]:
    """What became of a round, for a program that started it."""
    said = {name: getattr(round, name) for name in ("id", "preset", "recipe", "state", "failure")}
    runs = round.runs.select_related("output").order_by("pk")
    evaluations = round.evaluations.select_related("version", "baseline").order_by("pk")
    return {
        **said,
        "title": str(round),
        "start": str(round.start),
        "policy": round.policy and str(round.policy),
        "snapshot": round.snapshot_id,
        **_times(round, "created_at", "started_at", "ended_at"),
        "runs": [
            {
                "stage": run.stage,
                "state": run.state,
                "output": run.output and str(run.output),
                "failure": run.failure,
                "result": run.result,
                **_times(run, "started_at", "ended_at"),
            }
            for run in runs
        ],
        "evaluations": [
            {
                "version": str(one.version),
                "baseline": one.baseline and str(one.baseline),
                "judge": one.get_judge_display(),
                "split": one.split,
                "figures": one.figures,
                **_times(one, "created_at"),
            }
            for one in evaluations
        ],
    }


def _times(row: object, *names: str) -> dict[str, str | None]:
    return {name: (at := getattr(row, name)) and at.isoformat() for name in names}
