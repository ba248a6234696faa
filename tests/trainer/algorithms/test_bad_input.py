"""What can be wrong with a run's input or disk: each is a sentence that says what to do, and the
last good state stays intact."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from models_service.lm.checkpoint import CheckpointError, load_policy, save_policy, weights_sha256
from tests.trainer.algorithms.conftest import PPO_OPTIONS
from trainer.algorithms import resume
from trainer.algorithms.contract import Result, TrainingError
from trainer.algorithms.distributed.job import Job

STAGES = ("sft", "reward", "ppo")
LIMITS = {"max_prompt_tokens": 64, "max_response_tokens": 64}
OPTIONS: dict[str, dict[str, Any]] = {
    "sft": LIMITS | {"epochs": 2, "batch_size": 9, "learning_rate": 1e-3, "checkpoint_every": 1},
    "reward": LIMITS | {"batch_size": 6, "learning_rate": 1e-3, "checkpoint_every": 1},
    "ppo": PPO_OPTIONS | {"iterations": 3, "checkpoint_every": 1},
}
Run = Callable[..., Result]


@pytest.fixture
def run(
    tiny: Path, tiny_reward: Path, snapshot: Path, text: Path, tmp_path: Path, make_recorder
) -> Run:
    """A stage by name, in a folder of its own."""

    def run(stage: str, name: str = "a", policy: Path = tiny, **options: Any) -> Result:
        judge = {"reward": str(tiny_reward)} if stage == "ppo" else {}
        return Job(
            stage=stage,
            settings=OPTIONS[stage] | options,
            snapshot=str(snapshot),
            start={"policy": str(policy)} | judge,
            out=str(tmp_path / name / "out"),
            work=str(tmp_path / name / "work"),
            pretraining_text=str(text),
        ).do(make_recorder())

    return run


def states(work: Path) -> list[str]:
    return sorted(path.name for path in work.glob("state-*"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_says_so_and_the_run_goes_on_from_its_last_state(
    run: Run, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(stage, "whole")
    write, written = resume.save_file, []

    def fills_up(tensors: Any, path: Path) -> None:
        written.append(path)
        write(tensors, path)
        if len(written) == 2:
            path.write_bytes(path.read_bytes()[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(resume, "save_file", fills_up)
        with pytest.raises(TrainingError, match=r"No space left.*Free some space.*goes on"):
            run(stage)
    assert states(tmp_path / "a" / "work") == ["state-1"]
    assert not (tmp_path / "a" / "out").exists()
    run(stage)
    assert weights_sha256(tmp_path / "a" / "out") == weights_sha256(tmp_path / "whole" / "out")


@pytest.mark.parametrize("stage", STAGES)
def test_a_loss_that_is_no_number_says_so_and_leaves_only_good_states(
    run: Run, stage: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"finite number.*Lower the learning rate.*intact"):
        run(stage, learning_rate=1e30, max_grad_norm=0.0)
    assert not (tmp_path / "a" / "out").exists()
    for state in (tmp_path / "a" / "work").glob("state-*"):
        tensors = resume.load_file(state / resume.TENSORS).values()
        assert all(tensor.isfinite().all() for tensor in tensors)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("damage", "match"),
    [
        ("model.safetensors", r"damaged or cut short.*copy them again"),
        ("config.json", r"no config\.json.*not a checkpoint folder"),
        ("tokenizer.json", r"cannot be loaded.*[Cc]opy the folder again"),
    ],
)
def test_a_start_with_a_missing_or_cut_file_is_named(
    run: Run, stage: str, damage: str, match: str, tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "start"
    save_policy(*load_policy(tiny), folder)
    if damage == "model.safetensors":
        (folder / damage).write_bytes((folder / damage).read_bytes()[:-1000])
    else:
        (folder / damage).unlink()
    with pytest.raises(CheckpointError, match=match):
        run(stage, policy=folder)
    assert not (tmp_path / "a" / "out").exists()


def start_without(tiny: Path, folder: Path, *names: str) -> Path:
    """The tiny model with a tokenizer that lacks something."""
    model, tokenizer = load_policy(tiny)
    for name in names:
        setattr(tokenizer, name, None)
    save_policy(model, tokenizer, folder)
    return folder


@pytest.mark.parametrize("stage", ["sft", "reward"])
def test_a_tokenizer_without_chat_template_or_padding_token_will_do(
    run: Run, stage: str, tiny: Path, tmp_path: Path
) -> None:
    plain = start_without(tiny, tmp_path / "plain", "chat_template", "pad_token")
    assert run(stage, policy=plain).steps > 0
    _, tokenizer = load_any(tmp_path / "a" / "out", stage)
    assert tokenizer.chat_template is None


def load_any(folder: Path, stage: str) -> tuple[Any, PreTrainedTokenizerBase]:
    from models_service.lm.checkpoint import load_reward

    return load_policy(folder) if stage == "sft" else load_reward(folder)


@pytest.mark.parametrize("stage", STAGES)
def test_a_tokenizer_that_can_end_no_reply_is_refused(
    run: Run, stage: str, tiny: Path, tmp_path: Path
) -> None:
    endless = start_without(tiny, tmp_path / "endless", "chat_template", "eos_token")
    with pytest.raises(CheckpointError, match=r"no end-of-sequence token; set its eos_token"):
        run(stage, policy=endless)


def test_a_snapshot_without_validation_is_learned_from_and_says_so(
    run: Run, write_snapshot, lines: list
) -> None:
    write_snapshot([line for line in lines if line["split"] == "train"])
    assert run("sft").notes["chosen_by"] == "last"
    result = run("reward", "b")
    assert result.notes["validation_prompts"] == {} == result.notes["calibration"]
    assert not any(name.startswith("eval/") for name in result.metrics)
    assert "eval/kl" not in run("ppo", "c").metrics


def test_responses_that_are_empty_or_all_the_same_do_no_harm(
    run: Run, write_snapshot, lines: list, tmp_path: Path
) -> None:
    texts = ["", "same", "same"]
    written = [line for line in lines if line["type"] == "demonstration"]
    write_snapshot([{**line, "response": texts[i % 3]} for i, line in enumerate(written)])
    result = run("sft")
    assert result.steps == 4
    assert 0 < result.metrics["eval/loss"] < 10


@pytest.mark.parametrize("stage", STAGES)
def test_prompts_that_are_all_too_long_say_which_limit_to_raise(run: Run, stage: str) -> None:
    with pytest.raises(TrainingError, match=r"The snapshot has no .*raise the limit"):
        run(stage, max_prompt_tokens=1)
