"""Promotion of a round's versions, and what becomes of the tasks of the policy before."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from accounts.problems import Problem
from labeling.services.queues import retire_policy_tasks
from models_service import services as versions
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted
from trainer.models import TrainingRound


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
