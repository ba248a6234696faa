"""DPO: its losses, what it learns, its repeatability, its refusals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models_service.lm.chat import encode_prompt, encode_response, stop_token_id
from models_service.lm.checkpoint import load_policy, weights_sha256
from tests.families import FAMILIES, make
from trainer.algorithms import dpo
from trainer.algorithms.contract import Result, Starts, TrainingError
from trainer.algorithms.data import Group, read_snapshot
from trainer.algorithms.dpo_config import DPOConfig
from trainer.algorithms.losses import dpo_loss, ipo_loss, plackett_luce_loss

BASE: dict[str, Any] = {
    "batch_size": 6,
    "learning_rate": 1e-3,
    "max_prompt_tokens": 64,
    "max_response_tokens": 64,
    "checkpoint_every": 2,
}
RANKINGS = st.lists(st.tuples(st.floats(-30, 30), st.integers(1, 4)), min_size=2, max_size=9)
BETA = 0.3


@pytest.fixture
def run(tiny: Path, snapshot: Path, tmp_path: Path, recorder) -> Callable[..., Result]:
    def run(name: str = "a", report=recorder, start: Path = tiny, **options: Any) -> Result:
        return dpo.train(
            DPOConfig.from_dict(BASE | options),
            snapshot=snapshot,
            start=Starts(start),
            out=tmp_path / name / "out",
            work=tmp_path / name / "work",
            report=report,
        )

    return run


def untied(drawn: list[tuple[float, int]]) -> list[tuple[float, float]]:
    """Log-ratios of the better and the worse of every untied pair."""
    found = []
    for (h, rank), (other, rank_of_other) in combinations(drawn, 2):
        if rank != rank_of_other:
            found.append((h, other) if rank < rank_of_other else (other, h))
    return found


def tensors(drawn: list[tuple[float, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    ratios = torch.tensor([h for h, _ in drawn], dtype=torch.float64, requires_grad=True)
    return ratios, torch.tensor([rank for _, rank in drawn])


@given(RANKINGS)
@settings(max_examples=80, deadline=None)
def test_pairs_are_compared_as_in_plain_loops(drawn: list[tuple[float, int]]) -> None:
    pairs = untied(drawn)
    ratios, ranks = tensors(drawn)
    sigmoid = [math.log1p(math.exp(-BETA * (w - v))) for w, v in pairs]
    squared = [(w - v - 1 / (2 * BETA)) ** 2 for w, v in pairs]
    for loss, each in ((dpo_loss, sigmoid), (ipo_loss, squared)):
        wanted = statistics.mean(each) if each else 0.0
        assert loss(ratios, ranks, BETA).item() == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@given(RANKINGS)
@settings(max_examples=80, deadline=None)
def test_an_order_is_chosen_from_the_top_as_in_plain_loops(drawn: list[tuple[float, int]]) -> None:
    ratios, ranks = tensors(drawn)
    each = []
    for h, rank in drawn:
        worse = [math.exp(BETA * (other - h)) for other, r in drawn if r > rank]
        if worse:
            each.append(math.log1p(sum(worse)))
    wanted = statistics.mean(each) if each else 0.0
    got = plackett_luce_loss(ratios, ranks, BETA).item()
    assert got == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("loss", dpo.LOSSES.values())
def test_gradients_are_right_and_ties_have_none(loss: Callable[..., torch.Tensor]) -> None:
    ratios, ranks = tensors([(0.3, 2), (-1.2, 1), (2.0, 2), (0.1, 3)])
    assert torch.autograd.gradcheck(lambda h: loss(h, ranks, BETA), ratios)
    tied = torch.tensor([1.0, -2.0, 1e30], requires_grad=True)
    got = loss(tied, torch.tensor([2, 2, 2]), BETA)
    got.backward()
    assert got.item() == 0 and tied.grad is not None and tied.grad.tolist() == [0, 0, 0]


def test_of_two_completions_both_ways_to_order_are_one() -> None:
    ratios, ranks = torch.tensor([0.7, -0.4]), torch.tensor([2, 1])
    torch.testing.assert_close(
        plackett_luce_loss(ratios, ranks, BETA), dpo_loss(ratios, ranks, BETA)
    )


def test_the_reference_is_the_start_and_the_margin_begins_at_nothing(run, recorder) -> None:
    run(batch_size=64)
    first = recorder.steps[0][2]
    assert first["dpo/loss"] == pytest.approx(math.log(2), abs=1e-5)
    for name in ("dpo/margin", "dpo/log_ratio", "dpo/rewards_chosen", "dpo/rewards_rejected"):
        assert first[name] == pytest.approx(0, abs=1e-4)


def test_ipo_begins_at_its_margin_squared(run, recorder) -> None:
    run(loss="ipo", beta=0.5, batch_size=64)
    assert recorder.series("dpo/loss")[0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_completion_is_read_as_it_would_be_alone(family: str) -> None:
    policy = make(family, 64)
    group = Group([5, 6, 7, 8], [[9, 10, 11], [12], [13, 14, 15, 16, 17]], [[1, 2, 3]])
    other = Group([7, 5], [[20, 21], [22, 9]], [[1, 2]])
    with torch.no_grad():
        ours = dpo.policy_logprobs(policy, [group, other])[0]
        for said, completion in zip(ours, group.completions, strict=True):
            row = torch.tensor([[*group.prompt, *completion]])
            chances = policy(input_ids=row).logits[0].float().log_softmax(-1)
            at = range(len(group.prompt) - 1, row.shape[1] - 1)
            alone = sum(float(chances[i, row[0, i + 1]]) for i in at)
            assert float(said) == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize("loss", dpo.LOSSES)
def test_it_learns_what_the_labeler_prefers(run, recorder, loss: str) -> None:
    result = run(epochs=8, loss=loss)
    losses = recorder.series("dpo/loss")
    assert losses[-1] < losses[0]
    assert recorder.series("dpo/margin")[-1] > 0
    assert recorder.series("dpo/accuracy")[-1] > 0.8
    for labelers in ("training", "held_out"):
        assert result.metrics[f"eval/{labelers}/accuracy"] > 0.6


def test_what_is_exported_is_measured_against_the_start(
    run, tiny: Path, lines: list, tmp_path: Path
) -> None:
    metrics = run(epochs=4).metrics
    policy, tokenizer = load_policy(tmp_path / "a" / "out")
    reference, _ = load_policy(tiny)
    right = []
    for line in lines:
        if (line["type"], line["split"], line.get("group")) != (
            "ranking",
            "validation",
            "training",
        ):
            continue
        prompt = encode_prompt(tokenizer, line["messages"])
        answers = [encode_response(tokenizer, text, True) for text in line["completions"]]
        group = Group(prompt, answers, [line["ranks"]])
        with torch.no_grad():
            now, before = (dpo.policy_logprobs(m, [group])[0] for m in (policy, reference))
        rewards = now - before
        for i, j in combinations(range(len(answers)), 2):
            if line["ranks"][i] != line["ranks"][j]:
                better = line["ranks"][i] < line["ranks"][j]
                right.append(bool(rewards[i] > rewards[j]) == better)
    assert metrics["eval/training/accuracy"] == pytest.approx(statistics.mean(right))
    assert metrics["eval/training/pairs"] == len(right)


@pytest.mark.parametrize("finished", [True, False])
def test_only_answers_that_ended_have_a_stop_token(
    tiny: Path, write_snapshot, lines: list, finished: bool
) -> None:
    said = [{**x, "finished": [finished] * 4} if x["type"] == "ranking" else x for x in lines]
    data = read_snapshot(write_snapshot(said))
    job = dpo.PreferenceOptimisation(DPOConfig.from_dict(BASE), data, Starts(tiny))
    stop = stop_token_id(job.tokenizer)
    ends = {completion[-1] == stop for group in job.groups for completion in group.completions}
    assert ends == {finished}


def test_micro_batches_of_one_prompt_give_the_weights_of_whole_batches(run, tmp_path: Path) -> None:
    run("whole", tokens_per_micro_batch=100_000, adam_epsilon=1e-3)
    run("single", tokens_per_micro_batch=1, adam_epsilon=1e-3)
    whole, single = (load_policy(tmp_path / n / "out")[0] for n in ("whole", "single"))
    for a, b in zip(whole.parameters(), single.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_same_seed_same_hash_and_another_seed_another(run, tmp_path: Path) -> None:
    run("a")
    run("b")
    run("c", seed=1)
    first, second, third = (weights_sha256(tmp_path / n / "out") for n in "abc")
    assert first == second != third


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_stopped_run_goes_on_to_the_same_weights(
    run, make_recorder, tmp_path: Path, stop_after: int
) -> None:
    run("whole", epochs=2)
    assert run("parts", make_recorder(stop_after), epochs=2).stopped
    again = run("parts", make_recorder(), epochs=2)
    assert not again.stopped
    assert weights_sha256(tmp_path / "parts" / "out") == weights_sha256(tmp_path / "whole" / "out")
    assert again.metrics == run("whole", make_recorder(), epochs=2).metrics


def test_ties_alone_are_refused(run, write_snapshot, lines: list) -> None:
    write_snapshot([{**x, "ranks": [1] * 4} if x["type"] == "ranking" else x for x in lines])
    with pytest.raises(TrainingError, match="without ties"):
        run()


def test_no_ranking_is_refused(run, write_snapshot, lines: list) -> None:
    write_snapshot([x for x in lines if x["type"] != "ranking"])
    with pytest.raises(TrainingError, match="no ranking to learn from"):
        run()
