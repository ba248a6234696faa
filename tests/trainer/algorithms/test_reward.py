"""Reward modelling: its loss, its zero, its measurements, its repeatability, its refusals."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest
import torch

from models_service.lm.chat import encode_prompt, encode_response, pad_token_id
from models_service.lm.checkpoint import load_policy, load_reward, weights_sha256
from models_service.lm.heads import ScalarModel
from models_service.lm.padding import left_pad
from trainer.algorithms import reward
from trainer.algorithms.contract import Result, Starts, TrainingError
from trainer.algorithms.losses import ranking_loss
from trainer.algorithms.seeds import derive
from trainer.algorithms.settings import RewardConfig

BASE: dict[str, Any] = {
    "batch_size": 6,
    "learning_rate": 1e-3,
    "max_prompt_tokens": 64,
    "max_response_tokens": 24,
    "checkpoint_every": 2,
}


@pytest.fixture
def run(tiny: Path, snapshot: Path, tmp_path: Path, recorder):
    def run(name: str = "a", report=recorder, **options) -> Result:
        return reward.train(
            RewardConfig.from_dict(BASE | options),
            snapshot=snapshot,
            start=Starts(tiny),
            out=tmp_path / name / "out",
            work=tmp_path / name / "work",
            report=report,
        )

    return run


def score(model: ScalarModel, tokenizer, messages: list, response: str) -> float:
    """One row alone, padded on the left for good measure."""
    row = encode_prompt(tokenizer, messages)
    row += encode_response(tokenizer, response)[: BASE["max_response_tokens"]]
    batch = left_pad([row, [*row, 9, 9, 9]], pad_token_id(tokenizer))
    with torch.no_grad():
        return float(model.scores(batch.ids, batch.mask)[0])


def test_the_first_loss_is_the_mean_over_prompts_of_the_mean_over_pairs(
    run, recorder, tiny: Path, lines: list
) -> None:
    run(batch_size=64, tokens_per_micro_batch=100)
    policy, tokenizer = load_policy(tiny)
    model = ScalarModel.from_policy(policy, derive(0, "head"))
    losses = []
    for line in lines:
        if line["type"] == "ranking" and line["split"] == "train" and len(set(line["ranks"])) > 1:
            scores = [score(model, tokenizer, line["messages"], c) for c in line["completions"]]
            losses.append(float(ranking_loss(torch.tensor(scores), torch.tensor(line["ranks"]))))
    assert recorder.series("reward/loss")[0] == pytest.approx(statistics.mean(losses), rel=1e-4)


def test_it_learns_what_the_labeler_prefers(run, recorder) -> None:
    result = run(epochs=8)
    assert recorder.series("reward/loss")[-1] < 0.4
    for labelers in ("training", "held_out"):
        assert result.metrics[f"eval/{labelers}/accuracy"] > 0.85
        low, high = (result.metrics[f"eval/{labelers}/accuracy_{end}"] for end in ("low", "high"))
        assert 0 <= low <= result.metrics[f"eval/{labelers}/accuracy"] <= high <= 1
    assert result.metrics["eval/training/pairs"] == result.metrics["eval/held_out/pairs"]


def test_demonstrations_score_zero_on_average(run, tmp_path: Path, lines: list) -> None:
    run()
    model, tokenizer = load_reward(tmp_path / "a" / "out")
    scores = [
        score(model, tokenizer, line["messages"], line["response"])
        for line in lines
        if line["type"] == "demonstration" and line["split"] == "train"
    ]
    assert statistics.mean(scores) == pytest.approx(0, abs=1e-5)
    assert statistics.pstdev(scores) > 1e-3


def test_without_demonstrations_the_offset_stays_and_the_note_says_so(
    run, write_snapshot, lines: list
) -> None:
    write_snapshot([line for line in lines if line["type"] != "demonstration"])
    assert "no demonstration" in run().notes["offset"]


def test_micro_batches_of_one_prompt_give_the_weights_of_whole_batches(run, tmp_path: Path) -> None:
    run("whole", tokens_per_micro_batch=100_000, adam_epsilon=1e-3)
    run("single", tokens_per_micro_batch=1, adam_epsilon=1e-3)
    whole, single = (load_reward(tmp_path / n / "out")[0] for n in ("whole", "single"))
    for a, b in zip(whole.parameters(), single.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_same_seed_same_hash_and_another_seed_another(run, tmp_path: Path) -> None:
    run("a")
    run("b")
    run("c", seed=1)
    first, second, third = (weights_sha256(tmp_path / n / "out") for n in "abc")
    assert first == second != third


def test_a_stopped_run_goes_on_to_the_same_weights(run, tmp_path: Path, make_recorder) -> None:
    run("whole", report=make_recorder(), epochs=2)
    assert run("parts", report=make_recorder(stop_after=3), epochs=2).stopped
    run("parts", report=make_recorder(), epochs=2)
    assert weights_sha256(tmp_path / "whole" / "out") == weights_sha256(tmp_path / "parts" / "out")


def test_held_out_labelers_never_train(run, write_snapshot, lines: list, tmp_path: Path) -> None:
    run("a")
    inverted = [
        {**line, "id": "x", "labeler": "bob", "group": "held_out",
         "ranks": [5 - rank for rank in line["ranks"]]}
        for line in lines if line["type"] == "ranking" and line["split"] == "train"
    ]  # fmt: skip
    write_snapshot(lines + inverted)
    run("b")
    assert weights_sha256(tmp_path / "a" / "out") == weights_sha256(tmp_path / "b" / "out")


def test_all_ties_are_refused(run, write_snapshot, lines: list) -> None:
    write_snapshot([{**x, "ranks": [1] * 4} if x["type"] == "ranking" else x for x in lines])
    with pytest.raises(TrainingError, match=r"no ranking that prefers anything.*without ties"):
        run()


@pytest.mark.parametrize("keep", ["demonstration", "validation"])
def test_a_snapshot_without_rankings_is_refused(run, write_snapshot, lines, keep: str) -> None:
    write_snapshot([line for line in lines if keep in (line["type"], line["split"])])
    with pytest.raises(TrainingError, match=r"no ranking to learn from.*Collect"):
        run()


def test_empty_and_identical_completions_do_no_harm(
    run, recorder, write_snapshot, lines: list
) -> None:
    odd = [["", "", "cat", "cat"], ["", "", "", ""]]
    rankings = [
        {**line, "completions": odd[i % 2], "ranks": [4, 3, 2, 1]}
        for i, line in enumerate(x for x in lines if x["type"] == "ranking")
    ]
    write_snapshot(rankings)
    assert run().steps == 3
    assert all(0 < loss < 5 for loss in recorder.series("reward/loss"))


def test_long_prompts_are_skipped_and_counted(run) -> None:
    notes = run(max_prompt_tokens=16).notes
    assert notes["prompts_skipped_too_long"] > 0
    assert notes["prompts"] > 0
