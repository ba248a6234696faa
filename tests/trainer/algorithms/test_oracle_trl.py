"""Our losses and passes against TRL's own numbers, read out of its running trainers.

The fixtures say which versions made them; `python benchmarks/oracle.py` makes them again. Where we
differ from TRL on purpose, the test says how, and that nothing else differs.
"""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models_service.lm.heads import ScalarModel
from models_service.lm.scoring import response_logprobs
from models_service.lm.tiny import tiny_model
from tests.trainer.algorithms.seeded import VOCABULARY, draw_weights, gradient_marks
from trainer.algorithms import losses
from trainer.algorithms.data import Group
from trainer.algorithms.episodes import response_values
from trainer.algorithms.shared_prompts import ALONE, choose_layout, group_scores

TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}


def fixture(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "fixtures" / f"trl_{name}.json").read_text())


def policy(variation: int = 0) -> PreTrainedModel:
    model = tiny_model(VOCABULARY)
    draw_weights(model, variation=variation)
    return model


def scalar_model(seed: int = 0) -> ScalarModel:
    """TRL's heads have no bias either."""
    model = ScalarModel.from_policy(tiny_model(VOCABULARY))
    draw_weights(model, seed)
    return model


def assert_same_gradients(model: nn.Module, expected: dict[str, list[float]]) -> None:
    ours = gradient_marks(model)
    assert set(expected) <= set(ours)
    for name, marks in expected.items():
        assert ours[name] == pytest.approx(marks, rel=1e-3, abs=1e-4), name


def test_pair_loss_and_gradients_equal_reward_trainers() -> None:
    trl = fixture("reward")
    model = scalar_model()
    group = Group(trl["prompt"], trl["completions"], [trl["ranks"]])
    scores = group_scores(model, [group], trl["pad"], choose_layout(model, 64, trl["pad"]))[0]
    loss = losses.ranking_loss(scores, torch.tensor(trl["ranks"]))
    loss.backward()
    assert scores.tolist() == pytest.approx(trl["scores"], rel=1e-4)
    assert loss.item() == pytest.approx(trl["loss"], rel=1e-5)
    assert_same_gradients(model, trl["gradients"])


def test_sft_loss_and_gradients_equal_sft_trainers() -> None:
    trl = fixture("sft")
    model = policy()
    scored = response_logprobs(
        model, [row["prompt"] for row in trl["rows"]], [row["response"] for row in trl["rows"]]
    )
    loss = losses.cross_entropy(scored.logprobs, scored.mask)
    loss.backward()
    assert loss.item() == pytest.approx(trl["loss"], rel=1e-5)
    assert_same_gradients(model, trl["gradients"])


@pytest.fixture(scope="module")
def ppo() -> dict[str, Any]:
    """PPOTrainer's variables as tensors; the mask is 1 up to the stop token, as ours is."""
    values = fixture("ppo")
    lists = {name for name, value in values.items() if isinstance(value, list)} - {"epochs"}
    return values | {name: torch.tensor(values[name]) for name in lists}


@pytest.fixture(scope="module")
def episodes(ppo: dict[str, Any]) -> tuple[list[list[int]], list[list[int]]]:
    """Prompts without their padding, responses up to the stop token."""
    context = ppo["context_length"]
    prompts = [
        [t for t in row if t != ppo["pad"]] for row in ppo["query_responses"][:, :context].tolist()
    ]
    rows = zip(ppo["responses"].tolist(), ppo["mask"].sum(1).tolist(), strict=True)
    return prompts, [response[:length] for response, length in rows]


def test_the_batch_has_stopped_and_unstopped_responses(ppo: dict[str, Any]) -> None:
    lengths = ppo["mask"].sum(1)
    assert len(set(lengths.tolist())) > 2
    assert int(lengths.max()) == ppo["mask"].shape[1]


def test_logprobs_equal_ppo_trainers(
    ppo: dict[str, Any], episodes: tuple[list[list[int]], list[list[int]]]
) -> None:
    real = ppo["mask"].bool()
    for variation, name in ((0, "logprobs"), (5, "ref_logprobs")):
        ours = response_logprobs(policy(variation), *episodes, ppo["temperature"]).logprobs
        torch.testing.assert_close(ours[real], ppo[name][real], rtol=1e-4, atol=1e-4)


def test_values_and_scores_equal_ppo_trainers(
    ppo: dict[str, Any], episodes: tuple[list[list[int]], list[list[int]]]
) -> None:
    real, (prompts, responses) = ppo["mask"].bool(), episodes
    with torch.no_grad():
        values = response_values(scalar_model(6), prompts, responses, ppo["pad"])
        scores = torch.cat(
            [
                group_scores(scalar_model(), [Group(p, [r], [])], ppo["pad"], ALONE)[0]
                for p, r in zip(prompts, responses, strict=True)
            ]
        )
    torch.testing.assert_close(values[real], ppo["values"][real], **TOLERANCE)
    unfinished = torch.tensor([response[-1] != ppo["stop"] for response in responses])
    expected = ppo["scores"] + ppo["missing_eos_penalty"] * unfinished
    torch.testing.assert_close(scores, expected, **TOLERANCE)


def test_token_rewards_equal_but_for_the_place_of_the_score(ppo: dict[str, Any]) -> None:
    """After a response that stopped early TRL adds the score one token later, on padding."""
    k1 = losses.kl_estimates(ppo["logprobs"], ppo["ref_logprobs"]).k1
    assert (k1 < 0).any() and (k1 > 0).any()
    ours = losses.token_rewards(ppo["scores"], k1, ppo["mask"], ppo["kl_coef"])
    last = ppo["mask"].sum(1) - 1
    theirs = (last + 1).clamp(max=ours.shape[1] - 1)
    rows = torch.arange(len(ours))
    moved = ours.clone()
    moved[rows, last] -= ppo["scores"]
    moved[rows, theirs] += ppo["scores"]
    torch.testing.assert_close(moved, ppo["rewards"], **TOLERANCE)
    assert torch.equal(moved != ours, (theirs > last)[:, None] & _at(last, theirs, ours.shape))


def _at(first: Tensor, second: Tensor, shape: torch.Size) -> Tensor:
    columns = torch.arange(shape[1])
    return (columns == first[:, None]) | (columns == second[:, None])


def test_advantages_and_returns_equal_ppo_trainers(ppo: dict[str, Any]) -> None:
    mask = ppo["value_mask"]
    advantages, returns = losses.gae(ppo["rewards"], ppo["values"], mask, ppo["gamma"], ppo["lam"])
    real = mask.bool()
    torch.testing.assert_close(advantages[real], ppo["advantages"][real], **TOLERANCE)
    torch.testing.assert_close(returns[real], ppo["returns"][real], **TOLERANCE)


def test_whitening_equals_but_for_the_variance(ppo: dict[str, Any]) -> None:
    """TRL's variance is the unbiased one, ours the biased one."""
    ours = losses.whiten(ppo["advantages"], ppo["mask"])
    count = int(ppo["mask"].sum())
    expected = ppo["whitened"] * ppo["mask"] * sqrt(count / (count - 1))
    torch.testing.assert_close(ours, expected, **TOLERANCE)


@pytest.mark.parametrize("epoch", [0, 1])
def test_policy_loss_and_gradient_equal_ppo_trainers(ppo: dict[str, Any], epoch: int) -> None:
    step = ppo["epochs"][epoch]
    rows, theirs = step["rows"], step["policy"]
    logprobs = torch.tensor(theirs["input"], requires_grad=True)
    mask = ppo["mask"][rows]
    advantages = ppo["whitened"][rows] * mask
    loss = losses.policy_loss(logprobs, ppo["logprobs"][rows], advantages, mask, ppo["clip"])
    loss.backward()
    assert loss.item() == pytest.approx(theirs["loss"], rel=1e-4, abs=1e-6)
    torch.testing.assert_close(logprobs.grad, torch.tensor(theirs["gradient"]), **TOLERANCE)


@pytest.mark.parametrize("epoch", [0, 1])
def test_value_loss_and_gradient_equal_ppo_trainers(ppo: dict[str, Any], epoch: int) -> None:
    step = ppo["epochs"][epoch]
    rows, theirs = step["rows"], step["value"]
    values = torch.tensor(theirs["input"], requires_grad=True)
    old, returns, mask = (ppo[name][rows] for name in ("values", "returns", "value_mask"))
    loss = losses.value_loss(values, old, returns, mask, ppo["clip"])
    loss.backward()
    assert loss.item() == pytest.approx(theirs["loss"], rel=1e-5)
    torch.testing.assert_close(values.grad, torch.tensor(theirs["gradient"]), **TOLERANCE)


def test_the_second_epoch_clips(ppo: dict[str, Any]) -> None:
    """Otherwise the two tests above would say little about clipping."""
    step = ppo["epochs"][1]
    moved = torch.tensor(step["policy"]["input"]) - ppo["logprobs"][step["rows"]]
    assert (torch.expm1(moved).abs() > ppo["clip"]).any()
    shifted = torch.tensor(step["value"]["input"]) - ppo["values"][step["rows"]]
    assert (shifted.abs() > ppo["clip"]).any()
