"""Alarms of PPO, as a table: a course of one metric, and what it rings."""

from __future__ import annotations

import pytest

from trainer.runs.alarms import alarms

STEADY = [1.0] * 12


@pytest.mark.parametrize(
    ("metric", "values", "rung"),
    [
        ("objective/kl", STEADY, ""),
        ("objective/kl", [21.0, 22.0], ""),
        ("objective/kl", [21.0, 22.0, 23.0], "kl_runaway"),
        ("objective/kl", [1.0] * 5 + [6.0] * 5, "kl_runaway"),
        ("objective/kl", [0.1] * 5 + [0.9] * 5, ""),
        ("objective/entropy", [2.0] * 5 + [0.5] * 5, "entropy_collapse"),
        ("objective/entropy", [2.0] * 5 + [0.7] * 5, ""),
        ("objective/entropy", [2.0, 0.1, 0.1, 0.1], ""),
        ("objective/response_length", [20.0] * 5 + [35.0] * 5, "length_drift"),
        ("objective/response_length", [20.0] * 5 + [8.0] * 5, "length_drift"),
        ("objective/response_length", [20.0] * 5 + [28.0] * 5, ""),
        ("objective/response_length", [4.0] * 5 + [8.0] * 5, ""),
        ("ppo/policy/clipfrac", [0.4] * 3, "clip_fraction"),
        ("ppo/policy/clipfrac", [0.9] + [0.1] * 5, ""),
        ("ppo/val/explained_variance", [-0.5] * 6, "explained_variance"),
        ("ppo/val/explained_variance", [-0.5] * 5 + [0.3] * 5, ""),
        ("ppo/val/explained_variance", [-0.5] * 4, ""),
    ],
)
def test_what_rings(metric: str, values: list[float], rung: str) -> None:
    steps = [(step, {metric: value}) for step, value in enumerate(values, start=1)]
    found = alarms(steps)
    assert [alarm.name for alarm in found] == ([rung] if rung else [])
    assert all(alarm.step == len(values) and alarm.metric == metric for alarm in found)


def test_steps_without_the_metric_count_for_nothing() -> None:
    kl = [(step, {"objective/kl": None if step % 2 else 25.0}) for step in range(1, 9)]
    assert [alarm.name for alarm in alarms([(0, {}), *kl])] == ["kl_runaway"]
    assert alarms([]) == []


def test_an_alarm_says_what_it_sees_and_what_to_do() -> None:
    (alarm,) = alarms([(step, {"ppo/policy/clipfrac": 0.45}) for step in range(3)])
    assert alarm.text == "45% of the tokens are clipped."
    assert "Lower learning_rate" in alarm.remedy
