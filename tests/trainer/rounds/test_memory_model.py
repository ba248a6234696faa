"""What a stage needs of memory, by its model's shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from trainer.rounds.memory_model import Shape, most_tokens, needed, shape_of

SHAPE = Shape(parameters=1_000_000, hidden=100, layers=10, vocabulary=5000)
SETTINGS = {"batch_size": 8, "max_prompt_tokens": 60, "max_response_tokens": 40}


def test_the_shape_is_read_from_the_files(tmp_path: Path) -> None:
    config = {"hidden_size": 8, "num_hidden_layers": 2, "vocab_size": 100}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert shape_of(tmp_path) is None
    for name in ("a", "b"):
        save_file({"weight": torch.zeros(3, 5)}, tmp_path / f"{name}.safetensors")
    assert shape_of(tmp_path) == Shape(parameters=30, hidden=8, layers=2, vocabulary=100)
    assert shape_of(tmp_path / "gone") is None


@pytest.mark.parametrize(
    ("stage", "changes", "weights"),
    [
        ("reward", {}, 16_000_000),
        ("reward", {"heads": 5}, 16_008_000),
        ("ppo", {"trunk": "separate"}, 44_000_000),
        ("ppo", {"trunk": "shared"}, 8_000_000),
        ("evaluation", {}, 4_000_000),
    ],
)
def test_weights_count_as_often_as_they_are_held(
    stage: str, changes: dict[str, Any], weights: int
) -> None:
    assert needed(stage, {**SETTINGS, **changes, "tokens_per_micro_batch": 0}, SHAPE) == weights


def test_a_micro_batch_is_never_larger_than_the_batch() -> None:
    small, all_of_it, more = (
        needed("reward", {**SETTINGS, "tokens_per_micro_batch": tokens}, SHAPE)
        for tokens in (100, 800, 10_000)
    )
    assert small < all_of_it == more


def test_the_largest_micro_batch_that_fits_fits() -> None:
    memory = 20_000_000
    most = most_tokens("reward", SETTINGS, SHAPE, memory)
    fits = needed("reward", {**SETTINGS, "tokens_per_micro_batch": most}, SHAPE)
    over = needed("reward", {**SETTINGS, "tokens_per_micro_batch": most + 1}, SHAPE)
    assert fits <= memory < over
    assert most_tokens("ppo", SETTINGS, SHAPE, memory) == 0
