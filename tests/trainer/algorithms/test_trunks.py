"""PPO on shared trunks: judgments as on separate ones, exact gradients, a plain export."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.func import functional_call

from models_service.lm.checkpoint import (
    load_policy,
    load_reward,
    save_policy,
    weights_sha256,
)
from models_service.lm.cpu import accumulate
from models_service.lm.generation import Sampling
from models_service.lm.heads import ScalarModel
from models_service.lm.scoring import response_logprobs
from tests.families import FAMILIES, make
from tests.trainer.algorithms.conftest import PAD, PPO_OPTIONS, STOP
from tests.trainer.algorithms.test_ppo import experience, make_learner
from trainer.algorithms import learner as learner_module
from trainer.algorithms.contract import Starts
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, sample_episodes
from trainer.algorithms.learner import Learner
from trainer.algorithms.rollouts import RewardRule, make_experience
from trainer.algorithms.settings import PPOConfig
from trainer.algorithms.trunks import LORA_SCALE, SeparateTrunks, SharedTrunks

RULE = RewardRule(0.1, 1.0, 1.0, 0.95, False)
CPU = torch.device("cpu")
VOCABULARY = 261


def shared(tiny: Path, tiny_reward: Path, **options) -> SharedTrunks:
    config = PPOConfig.from_dict(PPO_OPTIONS | {"trunk": "shared", "lora_rank": 3} | options)
    return SharedTrunks(config, load_policy(tiny)[0], centered(tiny_reward), PAD, Crew())


def centered(folder: Path) -> ScalarModel:
    """The untrained reward model with some offset, as training gives it one."""
    model, _ = load_reward(folder)
    model.offset.fill_(0.25)
    return model


def stir(trunks: SharedTrunks, seed: int = 5) -> None:
    """Move what is trained away from where it starts."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trunks.policy.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn(parameter.shape, generator=draw)
        trunks.value.head.weight += 0.1


def whole_weights(base: dict, state: dict, prefix: str = "") -> dict[str, torch.Tensor]:
    """W + 2·B·A, written out, under the names of the model without adapters."""
    weights = {}
    for name, weight in base.items():
        stem = f"{prefix}{name.removesuffix('.weight')}"
        if (a := state.get(f"{stem}.lora_A.default.weight")) is not None:
            b = state[f"{stem}.lora_B.default.weight"]
            weight = weight + LORA_SCALE * (b @ a)
        weights[name] = weight
    return weights


def test_at_the_start_both_kinds_of_trunk_judge_alike(
    tiny: Path,
    tiny_reward: Path,
    episodes: Episodes,
) -> None:
    ours = shared(tiny, tiny_reward, tokens_per_micro_batch=20)
    theirs = SeparateTrunks(ours.config, load_policy(tiny)[0], centered(tiny_reward), PAD, Crew())
    for one, other in zip(ours.judge(episodes), theirs.judge(episodes), strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.ref_logprobs == pytest.approx(other.ref_logprobs, abs=1e-5)
        assert one.values == pytest.approx(other.values, abs=1e-5)
    judged = ours.judge(episodes)
    e = make_experience(episodes, judged, RULE, CPU)
    again = ours.values(e, [3, 0])
    assert again[0, : len(judged[3].values)].tolist() == pytest.approx(judged[3].values, abs=1e-6)
    assert again[1, : len(judged[0].values)].tolist() == pytest.approx(judged[0].values, abs=1e-6)


def test_learning_moves_policy_and_values_but_neither_reference_nor_scores(
    tiny: Path,
    tiny_reward: Path,
    episodes: Episodes,
) -> None:
    trunks = shared(tiny, tiny_reward)
    before = trunks.judge(episodes)
    stir(trunks)
    after = trunks.judge(episodes)
    assert [j.ref_logprobs for j in after] == [j.ref_logprobs for j in before]
    assert [j.score for j in after] == [j.score for j in before]
    assert all(a.values != b.values for a, b in zip(after, before, strict=True))
    with torch.no_grad():
        now = response_logprobs(trunks.policy, episodes.prompts, episodes.responses).logprobs
    assert (now[0, 0] - before[0].ref_logprobs[0]).abs() > 1e-3


def test_what_is_sampled_has_the_log_probs_that_training_sees_and_the_weights_stay(
    tiny: Path, tiny_reward: Path
) -> None:
    trunks = shared(tiny, tiny_reward)
    stir(trunks)
    before = {name: p.clone() for name, p in trunks.policy.named_parameters()}
    with trunks.sampling():
        drawn = sample_episodes(trunks.policy, [[5, 9, 20], [7]], Sampling(9, 1.0, 4, (STOP,), PAD))
    with torch.no_grad():
        now = response_logprobs(trunks.policy, drawn.prompts, drawn.responses)
    for i, row in enumerate(drawn.logprobs):
        assert now.logprobs[i, : len(row)].tolist() == pytest.approx(row, abs=1e-5)
    for name, parameter in trunks.policy.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad == ("lora_" in name)


@pytest.mark.parametrize("budget", [1, 10_000])
def test_the_adapters_gradient_is_that_of_the_objective_in_the_whole_weights(
    tiny: Path,
    tiny_reward: Path,
    episodes: Episodes,
    monkeypatch,
    budget: int,
) -> None:
    options = {"trunk": "shared", "lora_rank": 3, "tokens_per_micro_batch": budget}
    learner: Learner = make_learner(tiny, tiny_reward, [], **options)
    stir(learner.trunks)
    e = experience(episodes, shift=0.15)
    monkeypatch.setattr(learner_module, "update", lambda *_: 0.0)
    learner.update_policy(e, [0, 1, 3], position=0)

    plain = load_policy(tiny)[0].double()
    base = {name: p.detach() for name, p in plain.named_parameters()}
    factors = {
        name: p.detach().double().requires_grad_()
        for name, p in learner.policy.named_parameters()
        if p.requires_grad
    }
    weights = whole_weights(base, factors)
    terms, count = [], 0
    for i in (0, 1, 3):
        p, r = e.episodes.prompts[i], e.episodes.responses[i]
        output = functional_call(plain, weights, kwargs={"input_ids": torch.tensor([p + r])})
        new = output.logits[0, len(p) - 1 : -1].log_softmax(-1)[range(len(r)), r]
        ratio, a = torch.exp(new - e.logprobs[i, : len(r)]), e.advantages[i, : len(r)]
        terms.append(torch.maximum(-ratio * a, -ratio.clamp(0.8, 1.2) * a).sum())
        count += len(r)
    (torch.stack(terms).sum() / count).backward()
    assert factors
    for name, parameter in learner.policy.named_parameters():
        if name in factors:
            expected = factors[name].grad
            torch.testing.assert_close(parameter.grad.double(), expected, atol=1e-5, rtol=1e-3)
        else:
            assert parameter.grad is None


def test_the_value_heads_gradient_is_the_closed_form(
    tiny: Path,
    tiny_reward: Path,
    episodes: Episodes,
    monkeypatch,
) -> None:
    learner = make_learner(tiny, tiny_reward, [], trunk="shared")
    judged = learner.trunks.judge(episodes)
    e = make_experience(episodes, judged, RULE, CPU)
    monkeypatch.setattr(learner_module, "update", lambda *_: 0.0)
    learner.update_value(e, [0, 2, 4])
    reward = load_reward(tiny_reward)[0]
    expected, count = torch.zeros_like(reward.head.weight[0]), 0
    for i in (0, 2, 4):  # before the first update nothing is clipped: Σ (V − R)·h / tokens
        p, r = episodes.prompts[i], episodes.responses[i]
        ids = torch.tensor([p + r])
        states = reward.trunk(input_ids=ids).last_hidden_state[0, len(p) - 1 : -1].detach()
        error = torch.tensor(judged[i].values) - e.returns[i, : len(r)]
        expected += error @ states
        count += len(r)
    torch.testing.assert_close(
        learner.value.head.weight.grad[0], expected / count, atol=1e-5, rtol=1e-3
    )
    assert all(p.grad is None for p in learner.value.trunk.parameters())


def test_only_adapters_and_the_value_head_are_state(tiny: Path, tiny_reward: Path) -> None:
    learner = Learner(PPOConfig(), shared(tiny, tiny_reward), [], Crew())
    names = learner.tensors().keys()
    assert {"value/head.weight"} <= names
    assert all("lora_" in n for n in names if n.startswith(("policy/", "average/")))
    twin = Learner(PPOConfig(), shared(tiny, tiny_reward, seed=9), [], Crew())
    stir(learner.trunks)
    twin.restore(copy.deepcopy(dict(learner.tensors())))
    for name, tensor in learner.tensors().items():
        assert torch.equal(tensor, twin.tensors()[name])


def test_what_is_exported_is_the_merged_average_in_a_plain_folder(
    run_ppo,
    tiny: Path,
    tmp_path: Path,
) -> None:
    run_ppo("still", ema_decay=1.0, trunk="shared")
    assert weights_sha256(tmp_path / "still" / "out") == weights_sha256(tiny)
    run_ppo("moving", trunk="shared", learning_rate=1e-2)
    exported = dict(load_policy(tmp_path / "moving" / "out")[0].named_parameters())
    state = load_file(tmp_path / "moving" / "work" / "state-4" / "tensors.safetensors")
    base = dict(load_policy(tiny)[0].named_parameters())
    averaged, last = (whole_weights(base, state, prefix) for prefix in ("average/", "policy/"))
    for name, parameter in exported.items():
        torch.testing.assert_close(parameter, averaged[name], atol=1e-6, rtol=1e-5)
    assert any((exported[n] - last[n]).abs().max() > 1e-4 for n in exported)
    assert any((exported[n] - base[n]).abs().max() > 1e-4 for n in exported)
    files = {path.name for path in (tmp_path / "moving" / "out").iterdir()}
    assert files == {path.name for path in (tmp_path / "still" / "out").iterdir()}
    assert not any("adapter" in name for name in files)


def test_it_raises_the_score(run_ppo, recorder, tiny: Path, tiny_reward: Path, tmp_path) -> None:
    policy, tokenizer = load_policy(tiny)
    with torch.no_grad():  # untrained, its logits are too small for adapters to choose a token
        policy.model.norm.weight *= 4
    save_policy(policy, tokenizer, tmp_path / "sharp")
    run_ppo(start=Starts(tmp_path / "sharp", tiny_reward), trunk="shared", iterations=20,
            batch_size=32, minibatch_size=16, learning_rate=5e-3, value_learning_rate=1e-2,
            warmup_iterations=0, kl_coefficient=0.0, unfinished_penalty=0.0, gae_lambda=1.0,
            ptx_coefficient=0.0, max_response_tokens=4, evaluate_every=100)  # fmt: skip
    scores, spread = recorder.series("objective/scores"), recorder.series("objective/scores_std")
    assert sum(scores[-3:]) / 3 > sum(scores[:3]) / 3 + 0.5 * spread[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_of_every_family_adapters_are_merged_and_learn_as_they_are_applied(family: str) -> None:
    policy = make(family, VOCABULARY)
    judge = ScalarModel.from_policy(policy, seed=1).eval()
    config = PPOConfig.from_dict(PPO_OPTIONS | {"trunk": "shared", "lora_rank": 3})
    trunks = SharedTrunks(config, policy, judge, PAD, Crew())
    stir(trunks)
    with trunks.sampling():
        drawn = sample_episodes(trunks.policy, [[5, 9, 20], [7]], Sampling(9, 1.0, 4, (STOP,), PAD))

    def gradients() -> dict[str, torch.Tensor]:
        trunks.policy.zero_grad()
        for row in range(2):
            prompts, responses = drawn.tokens([row])
            response_logprobs(trunks.policy, prompts, responses).logprobs.sum().backward()
        found = trunks.policy.named_parameters()
        return {n: p.grad.clone() for n, p in found if p.requires_grad and p.grad is not None}

    with torch.no_grad():
        now = response_logprobs(trunks.policy, drawn.prompts, drawn.responses).logprobs
    for row, sampled in enumerate(drawn.logprobs):
        assert now[row, : len(sampled)].tolist() == pytest.approx(sampled, abs=1e-4)
    plain = gradients()
    with accumulate.in_place(trunks.policy):
        ours = gradients()
    assert ours.keys() == plain.keys() and plain
    for name, gradient in plain.items():
        assert (ours[name] - gradient).abs().max() <= 1e-5 * max(1.0, gradient.abs().max()), name
