"""PPO and PPO-ptx: experience, updates, what is exported, repeatability, refusals."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from models_service.lm.checkpoint import (
    load_policy,
    load_reward,
    save_reward,
    weights_sha256,
)
from models_service.lm.generation import Sampling
from models_service.lm.heads import ScalarModel
from tests.trainer.algorithms.conftest import PAD, PPO_OPTIONS, STOP
from trainer.algorithms import learner as learner_module
from trainer.algorithms import losses, ppo
from trainer.algorithms.contract import Starts, TrainingError
from trainer.algorithms.data import Example
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, response_values, score_episodes
from trainer.algorithms.learner import Learner
from trainer.algorithms.rollouts import Experience, Judged, RewardRule, make_experience
from trainer.algorithms.schedules import adapt_beta
from trainer.algorithms.seeds import stream
from trainer.algorithms.settings import PPOConfig
from trainer.algorithms.trunks import TRUNKS


@pytest.fixture
def run(run_ppo):
    return run_ppo


def experience(episodes: Episodes, seed: int = 0, shift: float = 0.0) -> Experience:
    """Judged by dice; `shift` moves the old log-probs, so that ratios are not 1."""
    draw = torch.Generator().manual_seed(seed)
    judged = [
        Judged(
            float(torch.randn((), generator=draw)),
            torch.randn(len(response), generator=draw).tolist(),
            torch.randn(len(response), generator=draw).tolist(),
        )
        for response in episodes.responses
    ]
    moved = [[x + shift for x in row] for row in episodes.logprobs]
    old = Episodes(episodes.prompts, episodes.responses, moved, episodes.finished)
    return make_experience(old, judged, RewardRule(0.1, 1.0, 1.0, 0.95, False), torch.device("cpu"))


def make_learner(tiny: Path, tiny_reward: Path, blocks: list[Example], **options) -> Learner:
    config = PPOConfig.from_dict(PPO_OPTIONS | options)
    models = load_policy(tiny)[0], load_reward(tiny_reward)[0]
    return Learner(config, TRUNKS[config.trunk](config, *models, PAD, Crew()), blocks, Crew())


def test_experience_equals_a_loop_over_episodes() -> None:
    episodes = Episodes(
        prompts=[[5], [6]],
        responses=[[7, 8, STOP], [9, 9]],
        logprobs=[[-1.0, -2.0, -0.5], [-3.0, -1.0]],
        finished=[True, False],
    )
    judged = [Judged(2.0, [-1.5, -1.0, -0.5], [0.1, 0.2, 0.3]), Judged(1.0, [-2.0, -2.0], [0, 0.5])]
    rule = RewardRule(
        beta=0.1, unfinished_penalty=3.0, gamma=1.0, gae_lambda=1.0, whiten_rewards=False
    )
    e = make_experience(episodes, judged, rule, torch.device("cpu"))
    assert e.mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert e.scores.tolist() == [2.0, 1.0]
    assert e.kl.tolist() == pytest.approx([0.5 - 1.0 + 0.0, -1.0 + 1.0])
    # With λ = γ = 1 the return is the sum of all rewards to come.
    rewards = [[-0.05, 0.1, 0.0 + 2.0], [0.1, -0.1 + 1.0 - 3.0]]
    sums = [list(itertools.accumulate(reversed(row)))[::-1] for row in rewards]
    assert e.returns[0].tolist() == pytest.approx(sums[0])
    assert e.returns[1, :2].tolist() == pytest.approx(sums[1])
    raw = e.returns - e.values
    torch.testing.assert_close(e.advantages, losses.whiten(raw, e.mask))


def test_rewards_are_whitened_without_shifting_where_that_is_asked_for(
    episodes: Episodes,
) -> None:
    judged = [
        Judged(float(i), [-1.0] * len(r), [0.0] * len(r)) for i, r in enumerate(episodes.responses)
    ]
    raw, white = (
        make_experience(episodes, judged, RewardRule(0.1, 1.0, 0.0, 0.0, on), torch.device("cpu"))
        for on in (False, True)
    )
    # With γ = 0 and no values the return of a token is its reward.
    expected = losses.whiten(raw.returns, raw.mask, shift_mean=False)
    torch.testing.assert_close(white.returns, expected)
    assert not torch.allclose(white.returns, raw.returns)


def test_values_stand_at_the_token_before_and_scores_at_the_last(
    tiny_reward: Path, episodes: Episodes
) -> None:
    model, _ = load_reward(tiny_reward)
    with torch.no_grad():
        values = response_values(model, episodes.prompts, episodes.responses, PAD)
        scores = score_episodes(model, episodes, PAD, budget=20)
        for i, (p, r) in enumerate(zip(episodes.prompts, episodes.responses, strict=True)):
            ids = torch.tensor([p + r])
            alone = model.values(ids, torch.ones_like(ids))[0]
            torch.testing.assert_close(
                values[i, : len(r)], alone[len(p) - 1 : -1], atol=1e-5, rtol=1e-4
            )
            torch.testing.assert_close(scores[i], alone[-1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("temperature", "trunk"), [(1.0, "separate"), (0.7, "separate"), (0.7, "shared")]
)
def test_every_ratio_is_one_and_kl_zero_before_the_first_update(
    run, recorder, temperature: float, trunk: str
) -> None:
    run(iterations=1, minibatch_size=8, temperature=temperature, trunk=trunk)
    assert recorder.series("ppo/policy/approxkl")[0] < 1e-10
    assert recorder.series("ppo/policy/clipfrac")[0] == 0
    assert recorder.series("objective/kl")[0] == pytest.approx(0, abs=1e-4)
    assert recorder.series("ppo/loss/policy")[0] == pytest.approx(0, abs=1e-4)


def brute_force_gradients(
    learner: Learner, e: Experience, rows: list[int], blocks: list[Example], coefficient: float
) -> dict[str, torch.Tensor]:
    """autograd through whole logits of one row at a time, with the formulas written out."""
    policy = load_policy(learner.policy.name_or_path)[0].double()
    terms, count = [], 0
    for i in rows:
        prompt, response = e.episodes.prompts[i], e.episodes.responses[i]
        logits = policy(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        new = logits.log_softmax(-1)[range(len(response)), response]
        ratio = torch.exp(new - e.logprobs[i, : len(response)])
        a = e.advantages[i, : len(response)]
        terms.append(torch.maximum(-ratio * a, -ratio.clamp(0.8, 1.2) * a).sum())
        count += len(response)
    loss = torch.stack(terms).sum() / count
    if blocks:
        ids = torch.tensor([b.prompt + b.response for b in blocks])
        logits = policy(input_ids=ids).logits[:, :-1]
        text = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss = loss + coefficient * text
    loss.backward()
    return {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("with_text", [False, True])
@pytest.mark.parametrize("budget", [1, 10_000])
def test_one_buffer_holds_the_gradient_of_the_whole_objective(
    tiny: Path, tiny_reward: Path, episodes: Episodes, monkeypatch, with_text: bool, budget: int
) -> None:
    blocks = [Example([20 + i], [30, 31 + i, 32, 33, 34]) for i in range(4)] if with_text else []
    learner = make_learner(
        tiny, tiny_reward, blocks, tokens_per_micro_batch=budget, ptx_coefficient=2.5, ptx_tokens=6
    )
    e = experience(episodes, shift=0.15)
    seen: list[dict[str, torch.Tensor]] = []

    def keep(*_: Any) -> float:
        parameters = learner.policy.named_parameters()
        seen.append({name: p.grad.clone() for name, p in parameters if p.grad is not None})
        return 0.0

    monkeypatch.setattr(learner_module, "update", keep)
    learner.update_policy(e, [0, 1, 3, 4], position=0)
    expected = brute_force_gradients(learner, e, [0, 1, 3, 4], blocks, 2.5)
    assert len(seen) == 1
    assert seen[0].keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(seen[0][name].double(), gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("budget", [1, 10_000])
def test_the_value_gradient_equals_autograd_of_the_formula(
    tiny: Path, tiny_reward: Path, episodes: Episodes, monkeypatch, budget: int
) -> None:
    learner = make_learner(tiny, tiny_reward, [], tokens_per_micro_batch=budget)
    e = experience(episodes)
    monkeypatch.setattr(learner_module, "update", lambda *_: 0.0)
    measured = learner.update_value(e, [0, 2, 4])
    value, terms, count = load_reward(tiny_reward)[0].double(), [], 0
    for i in (0, 2, 4):
        p, r = e.episodes.prompts[i], e.episodes.responses[i]
        ids = torch.tensor([p + r])
        v = value.values(ids, torch.ones_like(ids))[0, len(p) - 1 : -1].double()
        old, target = e.values[i, : len(r)], e.returns[i, : len(r)]
        held = torch.clamp(v, old - 0.2, old + 0.2)
        terms.append(torch.maximum((v - target) ** 2, (held - target) ** 2).sum() / 2)
        count += len(r)
    loss = torch.stack(terms).sum() / count
    loss.backward()
    assert measured["ppo/loss/value"] == pytest.approx(loss.item(), rel=1e-4)
    for ours, theirs in zip(learner.value.parameters(), value.parameters(), strict=True):
        assert ours.grad is not None and theirs.grad is not None
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-5, rtol=1e-3)


def test_what_is_exported_is_the_average(run, tiny: Path, tmp_path: Path) -> None:
    run("still", ema_decay=1.0)
    assert weights_sha256(tmp_path / "still" / "out") == weights_sha256(tiny)
    run("moving")
    exported = dict(load_policy(tmp_path / "moving" / "out")[0].named_parameters())
    state = load_file(tmp_path / "moving" / "work" / "state-4" / "tensors.safetensors")
    for name, parameter in exported.items():
        assert torch.equal(parameter, state[f"average/{name}"])
        assert not torch.equal(parameter, state[f"policy/{name}"])


def test_the_average_moves_after_every_update(
    tiny: Path, tiny_reward: Path, episodes: Episodes
) -> None:
    learner = make_learner(tiny, tiny_reward, [], ema_decay=0.75, learning_rate=1e-2)
    name, weight = next(iter(learner.policy.named_parameters()))
    expected = weight.detach().clone()
    for group in learner.optimizer.param_groups:
        group["lr"] = 1e-2
    for position in (0, 2):
        learner.update_policy(experience(episodes, shift=0.1), [0, 1], position)
        expected = 0.75 * expected + 0.25 * weight.detach()
    torch.testing.assert_close(learner.average.weights[name], expected)
    assert not torch.equal(expected, weight)


def test_every_iteration_reads_on_where_the_one_before_stopped(
    run, monkeypatch: pytest.MonkeyPatch, lines: list
) -> None:
    asked: list[tuple[int, ...]] = []
    drawn_with: set[int] = set()
    sample = ppo.PPO._sample

    def listening(
        job: ppo.PPO, prompts: list[list[int]], sampling: Sampling, seeds: list[int] | None = None
    ) -> Episodes:
        if seeds is not None:
            asked.extend(map(tuple, prompts))
            drawn_with.add(sampling.seed)
        return sample(job, prompts, sampling, seeds)

    monkeypatch.setattr(ppo.PPO, "_sample", listening)
    run(iterations=4, batch_size=9, minibatch_size=9)
    there = [line for line in lines if line["type"] == "prompt" and line["split"] == "train"]
    assert len(there) == 18
    assert sorted(asked[:18]) == sorted(asked[18:]), "each comes once before any comes twice"
    assert asked[:18] != asked[18:]
    assert len(drawn_with) == 4, "a prompt that comes again is answered anew"


def test_the_text_is_read_on_from_one_minibatch_to_the_next(
    tiny: Path, tiny_reward: Path, episodes: Episodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two iterations, twice over five episodes in minibatches of 2, 2 and 1, three texts each."""
    blocks = [Example([20], [30 + i, 31]) for i in range(60)]
    learner = make_learner(
        tiny,
        tiny_reward,
        blocks,
        batch_size=5,
        minibatch_size=2,
        inner_epochs=2,
        ptx_examples_per_episode=3,
        seed=5,
    )
    read: list[int] = []
    text_loss = learner.text_loss

    def listening(some: list[Example], tokens: int) -> torch.Tensor:
        read.extend(block.response[0] - 30 for block in some)
        return text_loss(some, tokens)

    monkeypatch.setattr(learner, "text_loss", listening)
    for step in (0, 1):
        learner.learn(experience(episodes), step)
        assert len(set(read)) == len(read) == 30 * (step + 1), "none twice before all came once"
    assert read == stream(60, 0, 60, learner.config.seed, "text")


def test_every_pass_over_a_batch_has_its_own_order(
    tiny: Path, tiny_reward: Path, episodes: Episodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"batch_size": 5, "minibatch_size": 5, "inner_epochs": 3}
    learner = make_learner(tiny, tiny_reward, [], **options)
    orders: list[tuple[int, ...]] = []
    update = learner.update_policy

    def listening(e: Experience, rows: list[int], position: int) -> dict[str, float]:
        orders.append(tuple(rows))
        return update(e, rows, position)

    monkeypatch.setattr(learner, "update_policy", listening)
    for step in range(2):
        learner.learn(experience(episodes), step)
    assert [sorted(order) for order in orders] == [list(range(5))] * 6
    assert len(set(orders)) > 3, "by step and by pass; of 120 orders two may be alike"


def test_rates_warm_up_and_text_is_learned_from(run, recorder) -> None:
    run(iterations=6, learning_rate=3e-3)
    assert recorder.series("lr")[:3] == pytest.approx([3e-4, 1.65e-3, 3e-3])
    assert recorder.series("ppo/loss/ptx")[-1] < recorder.series("ppo/loss/ptx")[0]
    assert "ppo/loss/ptx" in recorder.steps[-2][2]


def test_without_coefficient_it_is_plain_ppo(run, recorder) -> None:
    run(ptx_coefficient=0.0)
    assert not recorder.series("ppo/loss/ptx")
    assert not recorder.series("eval/ptx_loss")


def test_the_metrics_have_the_names_that_the_pages_read(run, recorder) -> None:
    result = run()
    named = set().union(*(values for _, _, values in recorder.steps))
    assert named >= {
        "objective/kl", "objective/scores", "objective/entropy", "objective/response_length",
        "ppo/policy/clipfrac", "ppo/policy/approxkl", "ppo/loss/policy", "ppo/loss/value",
        "ppo/loss/ptx", "ppo/val/explained_variance", "lr", "eval/scores", "eval/kl",
        "time/generate", "time/score", "time/train", "time/checkpoint", "time/evaluate",
    }  # fmt: skip
    assert [step for step, _, v in recorder.steps if "eval/scores" in v] == [0, 2, 4]
    assert result.metrics["eval/scores_before"] == recorder.series("eval/scores")[0]
    assert [len(rows) for _, rows in recorder.samples] == [4, 4, 4]


def test_it_raises_the_score(run, recorder) -> None:
    run(iterations=16, batch_size=32, minibatch_size=16, learning_rate=1e-2, warmup_iterations=0,
        value_learning_rate=3e-3, kl_coefficient=0.0, unfinished_penalty=0.0, gae_lambda=1.0,
        ptx_coefficient=0.0, max_response_tokens=4, evaluate_every=100)  # fmt: skip
    scores, spread = recorder.series("objective/scores"), recorder.series("objective/scores_std")
    assert sum(scores[-3:]) / 3 > sum(scores[:3]) / 3 + 0.5 * spread[0]


def test_the_run_ends_when_kl_passes_its_limit(run, recorder, tmp_path: Path) -> None:
    result = run(iterations=40, learning_rate=0.02, ptx_coefficient=0.0, kl_limit=2.0)
    assert result.steps < 40
    assert "passed 2.0" in result.notes["stopped_early"]
    kl = recorder.series("objective/kl")
    assert kl[-1] > 2.0 and all(x <= 2.0 for x in kl[:-1])
    assert (tmp_path / "a" / "out" / "config.json").exists()


def test_beta_adapts_by_the_rule(run, recorder) -> None:
    run(adaptive_kl=True, kl_target=0.5, kl_horizon=20)
    betas, kl = recorder.series("objective/beta"), recorder.series("objective/kl")
    for i, beta in enumerate(betas[1:]):
        assert beta == pytest.approx(adapt_beta(betas[i], kl[i], 0.5, episodes=8, horizon=20))
    assert betas[0] == 0.02 != betas[1]


@pytest.mark.parametrize(
    ("stop_after", "trunk"), [(2, "separate"), (3, "separate"), (4, "separate"), (3, "shared")]
)
def test_a_stopped_run_goes_on_bit_for_bit(
    run, tmp_path: Path, make_recorder, stop_after: int, trunk: str
) -> None:
    whole, rest = make_recorder(), make_recorder()
    options = {"adaptive_kl": True, "inner_epochs": 2, "trunk": trunk}
    expected = run("whole", report=whole, **options)
    assert run("parts", report=make_recorder(stop_after=stop_after), **options).stopped
    result = run("parts", report=rest, **options)
    assert result == expected
    a, b = (tmp_path / n / "work" / "state-4" / "tensors.safetensors" for n in ("whole", "parts"))
    assert a.read_bytes() == b.read_bytes()
    assert weights_sha256(tmp_path / "whole" / "out") == weights_sha256(tmp_path / "parts" / "out")
    untimed = [{k: v for k, v in m.items() if "time" not in k} for _, _, m in rest.steps]
    same = [{k: v for k, v in m.items() if "time" not in k} for _, _, m in whole.steps]
    assert untimed == same[-len(untimed) :]


def test_a_run_goes_on_with_other_micro_batches_but_not_with_another_text(
    run, text: Path, tmp_path: Path, make_recorder
) -> None:
    assert run(report=make_recorder(stop_after=2)).stopped
    assert run(report=make_recorder(stop_after=1), tokens_per_micro_batch=64).stopped
    before = text.read_text()
    text.write_text(before.replace("cat", "dog"))
    try:
        with pytest.raises(TrainingError, match="other settings"):
            run()
    finally:
        text.write_text(before)


def test_a_run_does_not_go_on_with_another_reward_model_in_the_same_folder(
    run, tiny: Path, tmp_path: Path, make_recorder
) -> None:
    policy, tokenizer = load_policy(tiny)
    start = Starts(tiny, tmp_path / "reward")
    for seed in (3, 4):
        save_reward(ScalarModel.from_policy(policy, seed=seed), tokenizer, tmp_path / "reward")
        if seed == 3:
            assert run(start=start, report=make_recorder(stop_after=2)).stopped
    with pytest.raises(TrainingError, match="other weights to start from"):
        run(start=start)


def test_ppo_needs_a_reward_model_of_the_same_tokenizer(
    run, tiny: Path, foreign_reward: Path
) -> None:
    with pytest.raises(TrainingError, match="Train one on rankings first"):
        run(start=Starts(tiny))
    with pytest.raises(TrainingError, match="different tokenizers"):
        run(start=Starts(tiny, foreign_reward))


def test_a_snapshot_without_prompts_is_refused(run, write_snapshot, lines: list) -> None:
    write_snapshot([line for line in lines if line["type"] != "prompt"])
    with pytest.raises(TrainingError, match="no training prompt"):
        run()


def test_long_prompts_are_skipped_and_counted(run) -> None:
    notes = run(iterations=1, max_prompt_tokens=16).notes
    assert notes["prompts_skipped_too_long"] > 0


def test_a_reward_that_is_no_number_stops_the_run(run, tiny: Path, tmp_path: Path) -> None:
    policy, tokenizer = load_policy(tiny)
    model = ScalarModel.from_policy(policy)
    model.offset.fill_(float("nan"))
    save_reward(model, tokenizer, tmp_path / "broken")
    with pytest.raises(TrainingError, match=r"finite number.*Lower"):
        run(start=Starts(tiny, tmp_path / "broken"))
    assert not (tmp_path / "a" / "out").exists()
