"""RLOO: the estimator, what is learned from, repeatability, refusals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from models_service.lm.checkpoint import load_policy, load_reward, weights_sha256
from models_service.lm.generation import Sampling
from models_service.lm.heads import ScalarModel
from tests.families import FAMILIES, make
from tests.trainer.algorithms.conftest import PAD, PPO_OPTIONS, STOP
from trainer.algorithms import learner as learner_module
from trainer.algorithms import rloo
from trainer.algorithms.config import ConfigError
from trainer.algorithms.contract import Result, Starts, TrainingError
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, sample_episodes
from trainer.algorithms.learner import PolicyLearner
from trainer.algorithms.losses import rloo_advantages
from trainer.algorithms.rloo_config import RLOOConfig
from trainer.algorithms.rollouts import Judged, make_batch
from trainer.algorithms.trunks import TRUNKS

CPU = torch.device("cpu")
OPTIONS: dict[str, Any] = {
    **{name: value for name, value in PPO_OPTIONS.items() if name != "value_learning_rate"},
    "samples_per_prompt": 2,
    "ptx_coefficient": 0.0,
}


@pytest.fixture
def run(
    tiny: Path, tiny_reward: Path, snapshot: Path, text: Path, tmp_path: Path, recorder
) -> Callable[..., Result]:
    def run(name: str = "a", report=recorder, start: Starts | None = None, **options) -> Result:
        return rloo.train(
            RLOOConfig.from_dict(OPTIONS | options),
            snapshot=snapshot,
            start=start or Starts(tiny, tiny_reward),
            out=tmp_path / name / "out",
            work=tmp_path / name / "work",
            report=report,
            pretraining_text=text,
        )

    return run


def rewards_of(groups: int, k: int, seed: int, centre: float = 0.0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return centre + torch.randn(groups, k, generator=draw, dtype=torch.float64)


@given(st.integers(1, 4), st.integers(2, 9), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_advantages_equal_loops_over_the_others(groups: int, k: int, seed: int) -> None:
    rewards = rewards_of(groups, k, seed)
    plain, grpo = rloo_advantages(rewards), rloo_advantages(rewards, normalise=True)
    for row, ours, normalised in zip(rewards.tolist(), plain.tolist(), grpo.tolist(), strict=True):
        mean = sum(row) / k
        sd = math.sqrt(sum((r - mean) ** 2 for r in row) / (k - 1))
        for i, r in enumerate(row):
            others = [x for j, x in enumerate(row) if j != i]
            assert ours[i] == pytest.approx(r - sum(others) / (k - 1), abs=1e-12)
            assert normalised[i] == pytest.approx((r - mean) / (sd + 1e-4), abs=1e-12)


@pytest.mark.parametrize("normalise", [False, True])
def test_equal_rewards_give_exactly_nothing_and_nothing_gives_nan(normalise: bool) -> None:
    for value in (0.0, 0.1, -7.3, 1e30, 3e38):
        equal = torch.full((2, 3), value)
        assert rloo_advantages(equal, normalise).tolist() == [[0.0] * 3] * 2
    wild = torch.tensor([[3e38, 1.0, -3e38], [1e-30, 0.0, -1e-30]])
    assert not rloo_advantages(wild, normalise).isnan().any()
    # A mean that all have in common takes no digits from the differences.
    near = torch.tensor([[1000.0, 1000.0625, 1000.125]])
    assert rloo_advantages(near, normalise).sign().tolist() == [[-1, 0, 1]]


def test_one_response_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        rloo_advantages(torch.zeros(3, 1))
    with pytest.raises(ConfigError, match="samples_per_prompt: must be at least 2"):
        RLOOConfig(samples_per_prompt=1)
    with pytest.raises(ConfigError, match=r"batch_size: must be a multiple of .* which is 3"):
        RLOOConfig(batch_size=8, samples_per_prompt=3)


@pytest.mark.parametrize("k", [2, 3])
def test_its_mean_over_all_draws_is_the_gradient_of_the_expected_reward(k: int) -> None:
    """A policy of three answers, every draw of K of them enumerated with its probability."""
    logits = torch.tensor([0.3, -0.8, 0.5], dtype=torch.float64, requires_grad=True)
    reward = torch.tensor([1.0, -2.0, 0.7], dtype=torch.float64)
    probabilities = logits.softmax(0)
    (expected,) = torch.autograd.grad((probabilities * reward).sum(), logits, retain_graph=True)
    estimate = torch.zeros(3, dtype=torch.float64)
    for drawn in itertools.product(range(3), repeat=k):
        chance = math.prod(probabilities.tolist()[a] for a in drawn)
        advantages = rloo_advantages(reward[list(drawn)][None])[0]
        surrogate = (advantages * logits.log_softmax(0)[list(drawn)]).mean()
        (gradient,) = torch.autograd.grad(surrogate, logits)
        estimate += chance * gradient
    torch.testing.assert_close(estimate, expected)


def judged_by_dice(episodes: Episodes, seed: int = 0) -> list[Judged]:
    draw = torch.Generator().manual_seed(seed)
    return [
        Judged(float(torch.randn((), generator=draw)), torch.randn(len(r), generator=draw).tolist())
        for r in episodes.responses
    ]


def test_a_batch_is_compared_prompt_by_prompt() -> None:
    episodes = Episodes(
        prompts=[[5], [5], [6], [6]],
        responses=[[7, 8, STOP], [9, 9], [9], [8, STOP]],
        logprobs=[[-1.0, -2.0, -0.5], [-3.0, -1.0], [-0.5], [-1.0, -1.0]],
        finished=[True, False, False, True],
    )
    references = [[-1.5, -1.0, -0.5], [-2.0, -2.0], [-1.5], [-1.0, -3.0]]
    scores = [2.0, 1.0, 0.5, 0.25]
    judged = [Judged(s, r) for s, r in zip(scores, references, strict=True)]
    config = RLOOConfig(samples_per_prompt=2, batch_size=4, unfinished_penalty=3.0)
    e = rloo.compared(make_batch(episodes, judged, CPU), config, beta=0.1)
    rewards = []
    for i, (said, reference) in enumerate(zip(episodes.logprobs, references, strict=True)):
        kl = sum(p - q for p, q in zip(said, reference, strict=True))
        rewards.append(scores[i] - 0.1 * kl - (0.0 if episodes.finished[i] else 3.0))
    for i, other in enumerate((1, 0, 3, 2)):
        length = len(episodes.responses[i])
        ahead = rewards[i] - rewards[other]
        assert e.advantages[i].tolist() == pytest.approx([ahead] * length + [0] * (3 - length))
        assert e.returns[i, 0].item() == pytest.approx(rewards[i])
        assert e.values[i, 0].item() == pytest.approx(rewards[other])
    assert e.scores.tolist() == scores


@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom", "gemma3", "gptj"])
def test_the_gradient_is_that_of_finite_differences(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert family in FAMILIES
    policy = make(family, 40)
    exact = make(family, 40).double()
    options = OPTIONS | {"batch_size": 4, "kl_coefficient": 0.2, "tokens_per_micro_batch": 20}
    config = RLOOConfig.from_dict(options)
    reward = ScalarModel.from_policy(make(family, 40), seed=3)
    crew = Crew()
    trunks = TRUNKS["separate"](config, policy, reward, PAD, crew, critic=False)
    assert trunks.value is None
    learner = PolicyLearner(config, trunks, [], crew)
    sampling = Sampling(6, 1.0, 4, (STOP,), PAD)
    episodes = sample_episodes(policy, [[5, 9, 20], [30, 31]], sampling, each=2)
    e = rloo.compared(make_batch(episodes, judged_by_dice(episodes), CPU), config, beta=0.2)
    gradients: dict[str, Tensor] = {}

    def keep(*_: Any) -> float:
        for name, p in policy.named_parameters():
            if p.grad is not None:
                gradients[name] = p.grad.double()
        return 0.0

    monkeypatch.setattr(learner_module, "update", keep)
    learner.update_policy(e, range(4), position=0)

    @torch.no_grad()
    def surrogate() -> float:
        """−Σ A log π(y|x) over the number of tokens, a response at a time in float64."""
        total, tokens = 0.0, 0
        for i, (p, r) in enumerate(zip(episodes.prompts, episodes.responses, strict=True)):
            logits = exact(input_ids=torch.tensor([p + r])).logits[0, len(p) - 1 : -1]
            said = logits.log_softmax(-1)[range(len(r)), r].sum()
            total -= float(e.advantages[i, 0] * said)
            tokens += len(r)
        return total / tokens

    draw = torch.Generator().manual_seed(7)
    direction = {
        name: torch.randn(p.shape, generator=draw, dtype=torch.float64)
        for name, p in exact.named_parameters()
        if name in gradients
    }
    step, sides = 1e-6, []
    for sign in (1, -2):
        with torch.no_grad():
            for name, p in exact.named_parameters():
                if name in direction:
                    p += sign * step * direction[name]
        sides.append(surrogate())
    measured = (sides[0] - sides[1]) / (2 * step)
    ours = sum(float((g * direction[name]).sum()) for name, g in gradients.items())
    size = math.sqrt(sum(float(g.square().sum()) for g in gradients.values()))
    assert size > 1e-3
    assert ours == pytest.approx(measured, rel=1e-3, abs=1e-4 * size)


@pytest.mark.parametrize("trunk", ["separate", "shared"])
def test_every_ratio_is_one_before_the_first_update(run, recorder, trunk: str) -> None:
    run(iterations=1, minibatch_size=8, trunk=trunk)
    assert recorder.series("ppo/policy/approxkl")[0] < 1e-10
    assert recorder.series("ppo/policy/clipfrac")[0] == 0
    assert recorder.series("objective/kl")[0] == pytest.approx(0, abs=1e-4)


def test_a_prompt_is_answered_k_times_each_time_otherwise(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Episodes] = []
    compared = rloo.compared

    def listening(batch, config, beta):
        seen.append(batch.episodes)
        return compared(batch, config, beta)

    monkeypatch.setattr(rloo, "compared", listening)
    run(iterations=2, batch_size=24, minibatch_size=12, samples_per_prompt=4)
    for episodes in seen:
        for first in range(0, 24, 4):
            group = slice(first, first + 4)
            assert len({tuple(p) for p in episodes.prompts[group]}) == 1
            assert len({tuple(r) for r in episodes.responses[group]}) > 1
        assert len({tuple(p) for p in episodes.prompts}) == 6
    assert {tuple(p) for p in seen[0].prompts}.isdisjoint(map(tuple, seen[1].prompts))


def test_the_metrics_have_the_names_of_ppo_s(run, recorder) -> None:
    result = run(ptx_coefficient=0.5)
    named = set().union(*(values for _, _, values in recorder.steps))
    assert named >= {
        "objective/kl", "objective/scores", "objective/entropy", "objective/response_length",
        "ppo/policy/clipfrac", "ppo/policy/approxkl", "ppo/loss/policy", "ppo/loss/ptx", "lr",
        "rloo/advantages_std", "eval/scores", "eval/kl", "eval/ptx_loss",
        "time/generate", "time/score", "time/train", "time/checkpoint", "time/evaluate",
    }  # fmt: skip
    assert not any("val/" in name and name.startswith("ppo") for name in named)
    assert [step for step, _, v in recorder.steps if "eval/scores" in v] == [0, 2, 4]
    assert result.metrics["eval/scores_before"] == recorder.series("eval/scores")[0]


@pytest.mark.parametrize("normalise", ["none", "group"])
def test_it_raises_the_score(run, recorder, normalise: str) -> None:
    run(iterations=16, batch_size=32, minibatch_size=16, samples_per_prompt=4, learning_rate=1e-2,
        warmup_iterations=0, kl_coefficient=0.0, unfinished_penalty=0.0, max_response_tokens=4,
        evaluate_every=100, normalise=normalise)  # fmt: skip
    scores, spread = recorder.series("objective/scores"), recorder.series("objective/scores_std")
    assert sum(scores[-3:]) / 3 > sum(scores[:3]) / 3 + 0.5 * spread[0]


@pytest.mark.parametrize(("stop_after", "trunk"), [(2, "separate"), (3, "shared")])
def test_a_stopped_run_goes_on_bit_for_bit(
    run, tmp_path: Path, make_recorder, stop_after: int, trunk: str
) -> None:
    options = {"adaptive_kl": True, "inner_epochs": 2, "trunk": trunk, "normalise": "group"}
    expected = run("whole", report=make_recorder(), **options)
    assert run("parts", report=make_recorder(stop_after=stop_after), **options).stopped
    assert run("parts", report=make_recorder(), **options) == expected
    a, b = (tmp_path / n / "work" / "state-4" / "tensors.safetensors" for n in ("whole", "parts"))
    assert a.read_bytes() == b.read_bytes()
    assert weights_sha256(tmp_path / "whole" / "out") == weights_sha256(tmp_path / "parts" / "out")
    assert not any("value" in name for name in load_file(a))


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(
    run, tmp_path: Path, make_recorder
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(name, report=make_recorder(), seed=seed)
    a, b, c = (weights_sha256(tmp_path / name / "out") for name in "abc")
    assert a == b != c


def test_what_is_exported_is_the_average(run, tiny: Path, tmp_path: Path) -> None:
    run("still", ema_decay=1.0)
    assert weights_sha256(tmp_path / "still" / "out") == weights_sha256(tiny)
    run("moving")
    exported = dict(load_policy(tmp_path / "moving" / "out")[0].named_parameters())
    state = load_file(tmp_path / "moving" / "work" / "state-4" / "tensors.safetensors")
    for name, parameter in exported.items():
        assert torch.equal(parameter, state[f"average/{name}"])


def test_it_needs_a_reward_model_of_the_same_tokenizer(
    run, tiny: Path, foreign_reward: Path
) -> None:
    with pytest.raises(TrainingError, match=r"RLOO needs a reward model\. Train one"):
        run(start=Starts(tiny))
    with pytest.raises(TrainingError, match="different tokenizers"):
        run(start=Starts(tiny, foreign_reward))


def test_a_state_of_ppo_is_not_gone_on_from(run, run_ppo, tmp_path: Path, make_recorder) -> None:
    assert run_ppo(report=make_recorder(stop_after=2)).stopped
    with pytest.raises(TrainingError, match="other settings"):
        run()


def test_shared_trunks_judge_as_separate_ones(tiny: Path, tiny_reward: Path) -> None:
    config = RLOOConfig.from_dict(OPTIONS)
    policy, _ = load_policy(tiny)
    episodes = sample_episodes(policy, [[5, 9], [7]], Sampling(6, 1.0, 4, (STOP,), PAD), each=2)
    one, other = (
        kind(config, load_policy(tiny)[0], load_reward(tiny_reward)[0], PAD, Crew(), critic=False)
        for kind in TRUNKS.values()
    )
    for a, b in zip(one.judge(episodes), other.judge(episodes), strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-5)
        assert a.ref_logprobs == pytest.approx(b.ref_logprobs, abs=1e-5)
        assert not a.values and not b.values
