"""Reward modelling: its loss, its zero, its measurements, its repeatability, its refusals."""

from __future__ import annotations

import statistics
from itertools import combinations
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
    "max_response_tokens": 64,
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


def score(
    model: ScalarModel, tokenizer, messages: list, response: str, finished: bool = True
) -> float:
    """One row alone, padded on the left for good measure."""
    row = encode_prompt(tokenizer, messages) + encode_response(tokenizer, response, finished)
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


def test_accuracy_is_told_apart_by_how_the_answers_ended(
    run, write_snapshot, lines: list, tmp_path: Path
) -> None:
    ended = [True, True, False, False]
    write_snapshot([{**x, "finished": ended} if x["type"] == "ranking" else x for x in lines])
    metrics = run(epochs=4).metrics
    model, tokenizer = load_reward(tmp_path / "a" / "out")
    right: dict[str, list[bool]] = {"cut": [], "mixed": [], "finished": []}
    for line in lines:
        if (line["type"], line["split"], line.get("group")) != (
            "ranking",
            "validation",
            "training",
        ):
            continue
        scores = [
            score(model, tokenizer, line["messages"], text, finished)
            for text, finished in zip(line["completions"], ended, strict=True)
        ]
        for i, j in combinations(range(4), 2):
            if line["ranks"][i] != line["ranks"][j]:
                kind = ("cut", "mixed", "finished")[ended[i] + ended[j]]
                right[kind].append((scores[i] > scores[j]) == (line["ranks"][i] < line["ranks"][j]))
    for kind, outcomes in right.items():
        name = f"eval/training/accuracy_{kind}"
        assert metrics[name] == pytest.approx(statistics.mean(outcomes))
        assert metrics[f"eval/training/pairs_{kind}"] == len(outcomes) > 0
        assert 0 <= metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"] <= 1
    assert sum(map(len, right.values())) == metrics["eval/training/pairs"]


def test_of_endings_that_there_are_none_nothing_is_said(run) -> None:
    metrics = run().metrics
    assert metrics["eval/training/accuracy_finished"] == metrics["eval/training/accuracy"]
    assert not [name for name in metrics if "_cut" in name or "_mixed" in name]


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
        {
            **line,
            "id": "x",
            "labeler": "bob",
            "group": "held_out",
            "ranks": [5 - rank for rank in line["ranks"]],
        }
        for line in lines
        if line["type"] == "ranking" and line["split"] == "train"
    ]
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


def test_every_head_learns_from_its_own_bootstrap_and_their_mean_is_the_score(
    run, recorder, tiny: Path, tmp_path: Path, lines: list
) -> None:
    result = run(heads=3, batch_size=64)
    policy, tokenizer = load_policy(tiny)
    start = ScalarModel.from_policy(policy, derive(0, "head"), heads=3)
    train = [x for x in lines if x["type"] == "ranking" and x["split"] == "train"]
    learned = [x for x in train if len(set(x["ranks"])) > 1]
    weights = reward.bootstrap(len(learned), 3, seed=0)
    terms = []
    for line, weight in zip(learned, weights.tolist(), strict=True):
        for head in range(3):
            scores = [opinions(start, tokenizer, line, c)[head] for c in line["completions"]]
            loss = ranking_loss(torch.tensor(scores), torch.tensor(line["ranks"]))
            terms.append(weight[head] * float(loss))
    assert recorder.series("reward/loss")[0] == pytest.approx(statistics.mean(terms), rel=1e-4)
    assert 0 < result.metrics["eval/training/disagreement"] < 0.5
    model, tokenizer = load_reward(tmp_path / "a" / "out")
    assert model.heads == 3
    said = opinions(model, tokenizer, lines[2], "red cat")
    alone = score(model, tokenizer, lines[2]["messages"], "red cat")
    assert alone == pytest.approx(statistics.mean(said), abs=1e-5)
    assert statistics.pstdev(said) > 1e-4


def opinions(model: ScalarModel, tokenizer, line: dict, response: str) -> list[float]:
    row = encode_prompt(tokenizer, line["messages"])
    row += encode_response(tokenizer, response)
    ids = torch.tensor([row])
    with torch.no_grad():
        return model.opinions(model.hidden(ids, torch.ones_like(ids))[0, -1]).tolist()


def test_a_bootstrap_draws_about_every_prompt_once_and_a_single_head_all() -> None:
    assert torch.equal(reward.bootstrap(5, 1, seed=0), torch.ones(5, 1))
    drawn = reward.bootstrap(4000, 2, seed=0)
    assert drawn.mean(0).tolist() == pytest.approx([1, 1], abs=0.05)
    assert drawn.var(0).tolist() == pytest.approx([1, 1], abs=0.1)
    assert not torch.equal(drawn[:, 0], drawn[:, 1])
    assert torch.equal(drawn, reward.bootstrap(4000, 2, seed=0))


def test_the_diagram_of_reliability_rests_on_all_validation_pairs(run) -> None:
    result = run()
    for labelers in ("training", "held_out"):
        bins = result.notes["calibration"][labelers]
        assert sum(one["pairs"] for one in bins) == result.metrics[f"eval/{labelers}/pairs"]
        right = sum(one["pairs"] * one["accuracy"] for one in bins)
        accuracy = result.metrics[f"eval/{labelers}/accuracy"]
        assert right / sum(one["pairs"] for one in bins) == pytest.approx(accuracy)
