"""Checkpoint folders: whole or absent, safetensors only, and errors that say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from models_service.lm.chat import Message, encode_prompt, pad_token_id, stop_token_id
from models_service.lm.checkpoint import (
    CheckpointError,
    load_policy,
    load_reward,
    save_policy,
    save_reward,
    weights_sha256,
    write_folder,
)
from models_service.lm.heads import ScalarModel
from models_service.lm.padding import right_pad
from models_service.lm.tiny import write_tiny_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny_checkpoint(tmp_path / "tiny")
    return tmp_path / "tiny"


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_policy_comes_back_as_it_was_saved(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    save_policy(model, tokenizer, tmp_path / "policy")
    loaded, its_tokenizer = load_policy(str(tmp_path / "policy"))
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    turns = [Message(role="user", content="Why?")]
    assert encode_prompt(its_tokenizer, turns) == encode_prompt(tokenizer, turns)
    assert not loaded.training


def test_a_reward_model_comes_back_with_head_and_offset(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    reward = ScalarModel.from_policy(model).eval()
    reward.offset.fill_(0.75)
    save_reward(reward, tokenizer, tmp_path / "reward")
    loaded, _ = load_reward(tmp_path / "reward")
    batch = right_pad([[9, 10, 11], [12]], pad_id=0)
    scores = loaded.scores(batch.ids, batch.mask)
    assert torch.equal(scores, reward.scores(batch.ids, batch.mask))
    assert json.loads((tmp_path / "reward/config.json").read_text())["kind"] == "reward"


def test_the_tiny_checkpoint_depends_on_its_seed_alone(folder: Path, tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "again")
    write_tiny_checkpoint(tmp_path / "other", seed=1)
    assert weights_sha256(tmp_path / "again") == weights_sha256(folder)
    assert weights_sha256(tmp_path / "other") != weights_sha256(folder)


def test_the_hash_ignores_how_weights_are_split(model: LlamaForCausalLM, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "many", max_shard_size="100KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    assert weights_sha256(tmp_path / "one") == weights_sha256(tmp_path / "many")


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with pytest.raises(ZeroDivisionError), write_folder(target) as new:
        (new / "half").write_text("x")
        assert not target.exists()
        _ = 1 / 0
    assert list(target.parent.iterdir()) == []
    with write_folder(target) as new:
        (new / "whole").write_text("x")
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_failed_rewrite_keeps_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for attempt in ("first", "second"):
        with write_folder(target) as new:
            (new / attempt).write_text("x")
    with pytest.raises(ZeroDivisionError), write_folder(target):
        _ = 1 / 0
    assert [path.name for path in target.iterdir()] == ["second"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no checkpoint folder .*nowhere"):
        load_policy(tmp_path / "nowhere")


def test_a_folder_without_configuration_is_no_checkpoint(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_policy(folder)


def test_truncated_weights_are_refused(
    folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    cut_short(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        load_policy(folder)
    save_reward(ScalarModel.from_policy(model), tokenizer, tmp_path / "reward")
    cut_short(tmp_path / "reward/model.safetensors")
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        load_reward(tmp_path / "reward")


def test_missing_weights_are_refused_not_made_up(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(CheckpointError, match=r"do not fit its config\.json"):
        load_policy(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 96}))
    with pytest.raises(CheckpointError, match="tiny"):
        load_policy(folder)


class Bomb:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_pickled_checkpoint_is_never_opened(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"x": Bomb(tmp_path / "exploded")}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError):
        load_policy(folder)
    with pytest.raises(CheckpointError, match="no safetensors file"):
        weights_sha256(folder)
    assert not (tmp_path / "exploded").exists()


def test_a_policy_is_no_reward_model(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a reward model"):
        load_reward(folder)


def test_a_broken_configuration_is_explained(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="tiny cannot be loaded"):
        load_policy(folder)


def test_a_tokenizer_without_template_or_padding_serves(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer.chat_template, tokenizer.pad_token = None, None
    save_policy(model, tokenizer, tmp_path / "bare")
    _, loaded = load_policy(tmp_path / "bare")
    ids = encode_prompt(loaded, [Message(role="user", content="Why?")])
    assert loaded.decode(ids).endswith("### Assistant\n")
    assert pad_token_id(loaded) != stop_token_id(loaded)
