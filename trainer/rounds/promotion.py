"""Promotion and roll-back of versions, and what becomes of the tasks of the policy before."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from core.problems import Problem
from labeling.queues.queues import retire_policy_tasks
from models_service import services as versions
from models_service.models import ModelVersion, Promotion
from models_service.selectors import former, promoted
from trainer.evaluation import promotion_gates
from trainer.models import TrainingRound


@transaction.atomic
def promote_round(*, round: TrainingRound, by: User | None, reason: str = "") -> Promotion:
    """Make the round's policy the one labelers see, and its SFT and reward model their roles'
    players. Raises Problem while the round has no policy, and as `promote` does."""
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
    """Promote a version; waiting tasks with completions of the policy it replaces expire.

    A policy's gates are kept with the promotion. Raises Problem when one is not met and no reason
    says why it is promoted all the same.
    """
    versions.require_weights(version)
    stand_before = promotion_gates.applies(role, version)
    evidence = promotion_gates.gates_of(version) if stand_before else []
    _require_reason([gate for gate in evidence if not gate.met], reason)
    before = promoted(role)
    promotion = versions.promote(
        role=role,
        version=version,
        by=by,
        reason=reason,
        evidence=[gate.as_dict() for gate in evidence],
    )
    if role == Promotion.Role.POLICY and before and before != version:
        retire_policy_tasks(before)
    return promotion


@transaction.atomic
def roll_back(*, role: str = Promotion.Role.POLICY, by: User | None = None) -> Promotion:
    """Promote again the version that played the role before. Raises Problem when there is none."""
    before = former(role)
    if before is None:
        raise Problem(409, "No other version has played this role, so there is no way back.")
    return promote(role=role, version=before, by=by, reason=f"Rolled back from {promoted(role)}.")


def _require_reason(unmet: list[promotion_gates.Gate], reason: str) -> None:
    if unmet and not reason.strip():
        told = " ".join(f"{gate.title}: {gate.text}" for gate in unmet)
        sentence = "Give the reason for promoting it although not every gate is met."
        raise Problem(
            409,
            f"{sentence} {told}",
            errors={"reason": [sentence]},
            extra={"gates": [gate.as_dict() for gate in unmet]},
        )
