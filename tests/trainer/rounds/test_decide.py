"""The round's next step, as a table."""

from __future__ import annotations

import pytest

from trainer.rounds.decide import (
    Begin,
    Fail,
    Finish,
    Freeze,
    RoundState,
    Start,
    Step,
    Wait,
    decide,
    promotes,
)

STAGES = ("sft", "reward", "ppo")


def running(frozen: bool = True, **runs: str) -> RoundState:
    return RoundState("running", STAGES, frozen=frozen, runs=runs)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (RoundState("queued", STAGES), Begin()),
        (RoundState("queued", STAGES, busy=True), Wait()),
        (RoundState("queued", STAGES, frozen=True, runs={"sft": "stopped"}), Begin()),
        (running(frozen=False), Freeze()),
        (running(), Start("sft")),
        (running(sft="queued"), Wait()),
        (running(sft="running"), Wait()),
        (running(sft="stopped"), Start("sft")),
        (running(sft="failed"), Fail("sft")),
        (running(sft="finished"), Start("reward")),
        (running(sft="finished", reward="failed"), Fail("reward")),
        (running(sft="finished", reward="finished", ppo="running"), Wait()),
        (running(sft="finished", reward="finished", ppo="finished"), Finish()),
        (RoundState("paused", STAGES, frozen=True, runs={"sft": "stopped"}), Wait()),
        (RoundState("failed", STAGES, frozen=True, runs={"sft": "failed"}), Wait()),
        (RoundState("cancelled", STAGES), Wait()),
        (RoundState("finished", STAGES), Wait()),
    ],
)
def test_the_next_step(state: RoundState, step: Step) -> None:
    assert decide(state) == step


@pytest.mark.parametrize(
    ("rule", "low", "promoted"),
    [
        ("never", 0.9, False),
        ("always", 0.1, True),
        ("always", None, True),
        ("if_better", 0.51, True),
        ("if_better", 0.5, False),
        ("if_better", None, False),
    ],
)
def test_the_promotion_rule(rule: str, low: float | None, promoted: bool) -> None:
    figures = None if low is None else {"win_rate": {"value": 0.7, "low": low, "high": 0.9}}
    assert promotes(rule, figures) is promoted
