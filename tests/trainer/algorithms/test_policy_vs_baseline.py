"""The figures of an evaluation against numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from models_service.lm.checkpoint import load_policy, save_policy
from models_service.lm.scoring import Scored
from trainer.algorithms import policy_vs_baseline
from trainer.algorithms.contract import TrainingError
from trainer.algorithms.episodes import Episodes
from trainer.algorithms.policy_vs_baseline import Answers, Contest, compare, win_rate
from trainer.algorithms.settings import EvaluationConfig

CONFIG = EvaluationConfig(
    prompts=2, answers_per_prompt=1, max_prompt_tokens=64, max_response_tokens=4
)


def answers(scores: list[float], lengths: list[int]) -> Answers:
    episodes = Episodes(
        prompts=[[1]] * len(scores),
        responses=[[2] * length for length in lengths],
        logprobs=[[0.0] * length for length in lengths],
        finished=[length < 4 for length in lengths],
    )
    return Answers(episodes, scores)


def test_ties_count_half() -> None:
    rate = win_rate([1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 5.0, 1.0], each=1)
    assert rate["value"] == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert rate["n"] == 4


def test_the_interval_is_clustered_by_prompt() -> None:
    # Eight prompts with two answers each: both won at four of them, both lost at the others. The
    # answers to one prompt say one thing, so there are eight facts and not sixteen.
    new, old = [1.0] * 8 + [0.0] * 8, [0.0] * 8 + [1.0] * 8
    rate = win_rate(new, old, each=2)
    error = (8 * 1.0**2 * 8 / 7) ** 0.5 / 16
    student = 2.364624  # seven degrees of freedom
    # Wilson's bounds are the rates that are so many of their own standard errors away.
    for bound in (rate["low"], rate["high"]):
        of_the_bound = error * (bound * (1 - bound) / 0.25) ** 0.5
        assert abs(bound - 0.5) == pytest.approx(student * of_the_bound)
    alone = win_rate(new, old, each=1)
    assert alone["high"] - alone["low"] < rate["high"] - rate["low"]


def test_a_policy_compared_with_itself_is_even_and_two_ties_prove_little() -> None:
    rate = win_rate([1.0, -2.0], [1.0, -2.0], each=1)
    assert (rate["value"], rate["n"]) == (0.5, 2)
    assert rate["low"] < 0.01 and rate["high"] > 0.99


def test_means_keep_their_own_scale() -> None:
    figures = compare(
        answers([-3.0, -1.0, 5.0], [2, 3, 4]),
        answers([0.0, 0.0, 0.0], [4, 4, 4]),
        divergence=[0.5, 1.5, 4.0],
        each=1,
    )
    assert figures["score"]["value"] == pytest.approx(1 / 3)
    assert figures["kl"]["value"] == pytest.approx(2.0)
    assert figures["response_tokens"]["value"] == pytest.approx(3.0)
    assert figures["finished"]["value"] == pytest.approx(2 / 3)
    assert figures["win_rate"]["value"] == pytest.approx(1 / 3)
    spread = [0.5 - 2, 1.5 - 2, 4.0 - 2]
    error = (sum(s * s for s in spread) * 3 / 2) ** 0.5 / 3
    student = 4.302653  # two degrees of freedom
    assert figures["kl"]["high"] == pytest.approx(2 + student * error)
    assert 0 <= figures["finished"]["low"] < figures["finished"]["high"] <= 1


def test_all_three_models_read_the_same_tokens(
    tiny: Path, tiny_reward: Path, snapshot: Path, tmp_path: Path, recorder
) -> None:
    policy, tokenizer = load_policy(tiny)
    tokenizer.add_tokens(["zebra"])
    save_policy(policy, tokenizer, tmp_path / "zebra")
    for name in ("policy", "baseline"):
        folders = {"policy": tiny, "baseline": tiny, name: tmp_path / "zebra"}
        contest = Contest(**folders, reward=tiny_reward)
        with pytest.raises(TrainingError, match=f"The {name} and the reward model use different"):
            policy_vs_baseline.evaluate(CONFIG, snapshot=snapshot, contest=contest, report=recorder)
        with pytest.raises(TrainingError, match=f"The {name} and the reward model use different"):
            policy_vs_baseline.win_rates(
                CONFIG, snapshot=snapshot, contest=contest, utility=lambda asked, text: 0.0
            )


def test_the_divergence_is_taken_within_the_settings_budget(
    tiny: Path, tiny_reward: Path, snapshot: Path, recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = []
    scored = policy_vs_baseline.response_logprobs

    def spied(model, prompts, responses, temperature, budget):
        budgets.append(budget)
        return scored(model, prompts, responses, temperature, budget)

    monkeypatch.setattr(policy_vs_baseline, "response_logprobs", spied)
    config = EvaluationConfig.from_dict(CONFIG.to_dict() | {"tokens_per_micro_batch": 70})
    contest = Contest(tiny, tiny, tiny_reward)
    found = policy_vs_baseline.evaluate(config, snapshot=snapshot, contest=contest, report=recorder)
    assert found is not None and found["kl"]["value"] == 0
    assert budgets == [70, 70]


def test_the_divergence_of_a_best_of_n_is_from_the_baseline_not_from_its_own_weights(
    tiny: Path, tiny_reward: Path, snapshot: Path, recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A token is e times as likely to the policy as to the baseline.
    logprobs = iter([-1.0, -2.0])

    def said(model, prompts, responses, *limits):
        mask = torch.tensor([[float(at < len(one)) for at in range(4)] for one in responses])
        return Scored(next(logprobs) * mask, mask)

    monkeypatch.setattr(policy_vs_baseline, "response_logprobs", said)
    contest = Contest(tiny, tiny, tiny_reward, best_of=4)
    found = policy_vs_baseline.evaluate(CONFIG, snapshot=snapshot, contest=contest, report=recorder)
    assert found is not None
    own = math.log(4) - 3 / 4
    assert found["kl"]["value"] == pytest.approx(own + found["response_tokens"]["value"])
