"""Lean norms: where there is no GPU they change nothing; what they do there is in test_gpu.py."""

from __future__ import annotations

import copy

import torch

from models_service.lm.norms import lean_norms
from models_service.lm.tiny import tiny_model

IDS = torch.tensor([[3, 5, 8, 13, 21, 34]])


def test_without_a_gpu_a_model_computes_the_same_bits() -> None:
    model = tiny_model(64)
    expected = model(IDS).logits
    lean_norms(model)
    assert torch.equal(model(IDS).logits, expected)


def test_a_copy_has_norms_of_its_own() -> None:
    model = tiny_model(64)
    lean_norms(model)
    expected, other = model(IDS).logits, copy.deepcopy(model)
    with torch.no_grad():
        model.model.layers[0].input_layernorm.weight.fill_(9.0)
    assert torch.equal(other(IDS).logits, expected)
    assert type(other.model.layers[0].input_layernorm) is type(
        model.model.layers[0].input_layernorm
    )
