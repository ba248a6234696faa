"""Supervised fine-tuning: its loss, its choice of epoch, its repeatability, its refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

from models_service.lm.chat import encode_prompt, encode_response
from models_service.lm.checkpoint import load_policy, weights_sha256
from trainer.algorithms import sft
from trainer.algorithms.contract import Result, Starts, TrainingError
from trainer.algorithms.seeds import stream
from trainer.algorithms.settings import SFTConfig

BASE: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 6,
    "learning_rate": 1e-3,
    "max_prompt_tokens": 64,
    "max_response_tokens": 24,
    "checkpoint_every": 2,
}


@pytest.fixture
def run(tiny: Path, snapshot: Path, tmp_path: Path, recorder):
    def run(name: str = "a", report=recorder, start: Starts | None = None, **options) -> Result:
        return sft.train(
            SFTConfig.from_dict(BASE | options),
            snapshot=snapshot,
            start=start or Starts(tiny),
            out=tmp_path / name / "out",
            work=tmp_path / name / "work",
            report=report,
        )

    return run


def reference_loss(folder: Path, lines: list, split: str) -> float:
    """Summed by hand over whole logits, one demonstration at a time, response tokens only."""
    model, tokenizer = load_policy(folder)
    total, count = 0.0, 0
    for line in lines:
        if line["type"] != "demonstration" or line["split"] != split:
            continue
        prompt = encode_prompt(tokenizer, line["messages"])
        response = encode_response(tokenizer, line["response"])[: BASE["max_response_tokens"]]
        ids = torch.tensor([prompt + response])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].double()
        total += F.cross_entropy(logits, torch.tensor(response), reduction="sum").item()
        count += len(response)
    return total / count


def test_the_first_loss_is_the_mean_over_response_tokens(run, recorder, tiny, lines) -> None:
    run(epochs=1, batch_size=18)
    expected = reference_loss(tiny, lines, "train")
    assert recorder.series("sft/loss")[0] == pytest.approx(expected, rel=1e-5)


def test_the_loss_falls_and_the_rate_ends_at_a_tenth(run, recorder) -> None:
    result = run(epochs=4)
    losses, rates = recorder.series("sft/loss"), recorder.series("lr")
    assert losses[-1] < losses[0] - 0.3
    assert (rates[0], rates[-1]) == pytest.approx((1e-3, 1e-4))
    assert result.steps == 12


def test_micro_batches_of_one_give_the_weights_of_whole_batches(run, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_a_stopped_run_goes_on_to_the_same_weights(
    run, tmp_path: Path, make_recorder, stop_after: int
) -> None:
    run("whole", report=make_recorder())
    stopped = run("parts", report=make_recorder(stop_after=stop_after))
    assert stopped == Result(stop_after, stopped=True)
    assert not (tmp_path / "parts" / "out").exists()
    rest = make_recorder()
    run("parts", report=rest)
    assert [step for step, _, _ in rest.steps] == list(range(stop_after + 1, 7))
    assert weights_sha256(tmp_path / "whole" / "out") == weights_sha256(tmp_path / "parts" / "out")


def test_without_reward_model_the_epoch_of_least_loss_is_exported(
    run, lines: list, tmp_path: Path
) -> None:
    result = run(epochs=3, learning_rate=0.05)
    by_loss = {e["epoch"]: e["eval/loss"] for e in result.notes["epochs"]}
    best = min(by_loss, key=lambda epoch: by_loss[epoch])
    assert (result.notes["chosen_epoch"], result.notes["chosen_by"]) == (best, "loss")
    loss = reference_loss(tmp_path / "a" / "out", lines, "validation")
    assert loss == pytest.approx(by_loss[best], rel=1e-4)


def test_with_a_reward_model_the_epoch_of_best_score_is_exported(
    run, recorder, tiny: Path, tiny_reward: Path
) -> None:
    result = run(epochs=3, start=Starts(tiny, tiny_reward), eval_prompts=4)
    scores = recorder.series("eval/scores")
    assert result.notes["chosen_by"] == "reward"
    assert result.notes["chosen_epoch"] == 1 + scores.index(max(scores))
    assert [len(rows) for _, rows in recorder.samples] == [4, 4, 4]
    assert recorder.samples[0][1][0].keys() == {"prompt", "response", "score"}


def test_a_reward_model_of_another_family_is_not_asked(
    run, tiny: Path, foreign_reward: Path
) -> None:
    result = run(start=Starts(tiny, foreign_reward))
    assert result.notes["chosen_by"] == "loss"
    assert result.notes["reward_model"] == "left out: it uses another tokenizer"
    assert "reward_model" not in run(name="b").notes


def test_pretraining_text_is_its_share_of_the_examples(
    tiny: Path, snapshot: Path, text: Path, tmp_path: Path, recorder
) -> None:
    config = SFTConfig.from_dict(
        BASE | {"pretraining_share": 0.25, "pretraining_tokens": 8, "epochs": 4}
    )
    job = sft.FineTuning(config, snapshot, Starts(tiny), tmp_path, recorder, text)
    sizes = [len(job._batch(step)) - config.batch_size for step in range(job.total)]
    assert sum(sizes) == config.batch_size * job.total // 3
    mixed = [block for step in range(job.total) for block in job._batch(step)[6:]]
    places = stream(len(job.blocks), 0, sum(sizes), config.seed, "text")
    assert mixed == [job.blocks[i] for i in places], "read on from step to step"


def test_dropout_goes_to_the_residual_branches_alone() -> None:
    gpt = GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=11))
    assert sft.set_residual_dropout(gpt, 0.2) == 4
    rates = {n: m.p for n, m in gpt.named_modules() if isinstance(m, torch.nn.Dropout)}
    assert {n for n, rate in rates.items() if rate} == {
        f"transformer.h.{i}.{part}"
        for i in (0, 1)
        for part in ("attn.resid_dropout", "mlp.dropout")
    }


def test_a_llama_says_that_it_has_no_residual_dropout(run) -> None:
    assert run().notes["residual_dropout"] == "none in LlamaForCausalLM"


def test_only_the_training_split_is_learned_from_and_skips_are_counted(run) -> None:
    notes = run(max_prompt_tokens=16).notes
    assert notes["demonstrations"] + notes["prompts_skipped_too_long"] >= 18
    assert 0 < notes["demonstrations"] < 18


@pytest.mark.parametrize("keep", ["ranking", "validation"])
def test_a_snapshot_without_demonstrations_is_refused(
    run, write_snapshot, lines: list, keep: str
) -> None:
    write_snapshot([line for line in lines if keep in (line["type"], line["split"])])
    with pytest.raises(TrainingError, match=r"no demonstration to learn from.*Collect"):
        run()


def test_a_run_that_blows_up_says_so_and_leaves_the_last_good_state(run, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"finite number.*Lower the learning rate.*intact"):
        run(learning_rate=1e30, checkpoint_every=1, max_grad_norm=0.0)
    assert not (tmp_path / "a" / "out").exists()
    for state in (tmp_path / "a" / "work").glob("state-*"):
        tensors = load_file(state / "tensors.safetensors").values()
        assert all(tensor.isfinite().all() for tensor in tensors)
