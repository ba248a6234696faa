"""Checkpoint folders: whole or absent, safetensors only, and errors that say what is wrong."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    LlamaModel,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

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


def renamed(name: str) -> Callable[[Path], None]:
    """Weights under another name, as other programs write them."""
    return lambda folder: (folder / "model.safetensors").rename(folder / name) and None


def without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def configured(**values: object) -> Callable[[Path], None]:
    def configure(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | values))

    return configure


def pointer(name: str) -> Callable[[Path], None]:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    return lambda folder: (folder / name).write_text(text) and None


def adapters(folder: Path) -> None:
    without("config.json", "model.safetensors")(folder)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    save_file({"a": torch.ones(1)}, folder / "adapter_model.safetensors")


def sharded(*lost: str) -> Callable[[Path], None]:
    def shard(folder: Path) -> None:
        model, _ = load_policy(folder)
        (folder / "model.safetensors").unlink()
        model.save_pretrained(folder, max_shard_size="100KB")
        without(*lost)(folder)

    return shard


def sentencepiece(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"\x0a\x10abc")
    config = {"tokenizer_class": "LlamaTokenizer", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def written(kind: type[PreTrainedModel], config: PreTrainedConfig) -> Callable[[Path], None]:
    return lambda folder: kind(config).save_pretrained(folder)


OWN_CODE = {"AutoConfig": "configuration_x.XConfig", "AutoModelForCausalLM": "modeling_x.XModel"}
SMALL = {
    "vocab_size": 261,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
}
UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "pickle": (renamed("pytorch_model.bin"), r"as a pickle \(pytorch_model.bin\).*convert it once: "
               r"python -c .*AutoModelForCausalLM"),
    "pickles": (renamed("pytorch_model-00001-of-00002.bin"), r"as a pickle.*convert it once"),
    "gguf": (renamed("model-q4.gguf"), r"only model-q4\.gguf, which is another format\. Choose"),
    "pth": (renamed("consolidated.00.pth"), r"only consolidated\.00\.pth, which is another format"),
    "consolidated": (renamed("consolidated.safetensors"), r"only consolidated\.safetensors"),
    "no weights": (without("model.safetensors"), r"has no weights.*Copy the folder again"),
    "pointer": (pointer("model.safetensors"), r"model\.safetensors is a Git LFS pointer\. Run"),
    "tokenizer pointer": (pointer("tokenizer.json"), r"tokenizer\.json is a Git LFS pointer\. Run"),
    "a shard less": (sharded("model-00002-of-00004.safetensors"),
                     r"lacks 1 of the 4 files.*first model-00002-of-00004.*Copy the folder again"),
    "no index": (sharded("model.safetensors.index.json"),
                 r"but no model\.safetensors\.index\.json"),
    "adapters": (adapters, r"holds adapters for some/base, not a model\. Merge.*merge_and_unload"),
    "sentencepiece": (sentencepiece,
                      r"tokenizer\.model alone\. Install.*convert it once: python -c"),
    "no tokenizer": (without("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
                     r"it has no tokenizer \(tokenizer\.json\)\. Copy"),
    "own code": (configured(auto_map=OWN_CODE, model_type="x"), r"needs code.*never run.*Choose"),
    "new architecture": (configured(model_type="brandnew"), r"does not recognize.*choose another"),
    "bitsandbytes": (configured(quantization_config={"quant_method": "bitsandbytes"}),
                     r"quantised weights \(bitsandbytes\); training needs them whole\. Choose"),
    "gptq": (configured(quantization_config={"quant_method": "gptq", "bits": 4}),
             r"\(gptq\).*Choose"),
    "encoder-decoder": (written(T5ForConditionalGeneration, T5Config(
        vocab_size=261, d_model=64, d_ff=64, num_layers=1, num_heads=2, decoder_start_token_id=0)),
        r"encoder-decoder model \(t5\).*Choose a causal language model"),
    "encoder": (written(BertForMaskedLM, BertConfig(
        vocab_size=261, hidden_size=64, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2)), r"reads its text both ways.*Choose a causal language model"),
    "classifier": (written(LlamaForSequenceClassification, LlamaConfig(**SMALL, pad_token_id=0)),
                   r"another head.*LlamaForSequenceClassification.*Choose the language model"),
    "no head": (written(LlamaModel, LlamaConfig(**SMALL)), r"do not fit.*lm_head.*Copy"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_taken_up_is_told_with_what_to_do(
    folder: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, told = UNUSABLE[case]
    change(folder)
    # Nobody sits at a worker's terminal to be asked.
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked at the terminal"))
    with pytest.raises(CheckpointError, match=told) as caught:
        load_policy(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_reward_model_is_no_policy(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    save_reward(ScalarModel.from_policy(model), tokenizer, tmp_path / "reward")
    with pytest.raises(CheckpointError, match=r"is a reward model, not a policy\. Choose"):
        load_policy(tmp_path / "reward")


def test_the_command_that_is_told_converts_pickled_weights(folder: Path) -> None:
    expected = weights_sha256(folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError) as caught:
        load_policy(folder)
    _, python, code = shlex.split(str(caught.value).partition("once: ")[2])
    assert python == "-c"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    load_policy(folder)
    assert weights_sha256(folder) == expected


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precise_weights_are_taken_up_in_float32(folder: Path, kind: torch.dtype) -> None:
    weights = {name: w.to(kind) for name, w in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    configured(dtype=str(kind).removeprefix("torch."))(folder)
    model, _ = load_policy(folder)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, weights[name].float())


def test_a_known_architecture_needs_none_of_the_code_that_comes_along(folder: Path) -> None:
    configured(auto_map=OWN_CODE)(folder)
    assert type(load_policy(folder)[0]) is LlamaForCausalLM


def test_weights_in_several_files_are_whole(folder: Path) -> None:
    expected = weights_sha256(folder)
    sharded()(folder)
    load_policy(folder)
    assert weights_sha256(folder) == expected


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
