"""Gradients added up in place against autograd's own."""

from __future__ import annotations

from copy import deepcopy

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_module
from transformers import LlamaForCausalLM

from models_service.lm import logprobs
from models_service.lm.cpu import accumulate
from models_service.lm.cpu import gradients as gradients_in_place
from models_service.lm.scoring import response_logprobs
from models_service.lm.tiny import tiny_model


class Model(nn.Module):
    """Tied embeddings, a bias, a frozen layer, and a padding token."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 5, padding_idx=0)
        self.inner = nn.Linear(5, 5)
        self.frozen = nn.Linear(5, 5, bias=False).requires_grad_(False)
        self.head = nn.Linear(5, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.frozen(self.inner(self.embedding(ids)).tanh()))


def gradients(model: nn.Module, parts: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    for ids in parts:
        model(ids).square().sum().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_the_sum_over_parts_is_autograds() -> None:
    torch.manual_seed(0)
    ours, theirs = Model(), Model()
    theirs.load_state_dict(ours.state_dict())
    parts = [torch.tensor([[1, 2, 0], [3, 3, 0]]), torch.tensor([[4, 1]]), torch.tensor([[0, 9]])]
    with accumulate.in_place(ours):
        found = gradients(ours, parts)
    expected = gradients(theirs, parts)
    assert found.keys() == expected.keys() == {"embedding.weight", "inner.weight", "inner.bias"}
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)


def test_adapters_gradients_are_autograds_and_the_frozen_weights_have_none() -> None:
    torch.manual_seed(0)
    config = LoraConfig(r=2, lora_alpha=6, target_modules=["first", "last"])
    model = nn.Sequential()
    model.add_module("first", nn.Linear(4, 6))
    model.add_module("bend", nn.Tanh())
    model.add_module("last", nn.Linear(6, 3, bias=False))
    ours = inject_adapter_in_model(config, model)
    for parameter in ours.parameters():  # the second factors start at zero
        nn.init.normal_(parameter)
    theirs = deepcopy(ours)
    parts = list(torch.randn(3, 2, 5, 4))
    expected = gradients(theirs, parts)
    with accumulate.in_place(ours):
        torch.testing.assert_close(ours(parts[0]), theirs(parts[0]))
        found = gradients(ours, parts)
    assert found.keys() == expected.keys() and len(found) == 4
    for name, gradient in expected.items():
        assert "lora_" in name
        torch.testing.assert_close(found[name], gradient)


def test_the_unembedding_adds_to_the_embeddings_gradient(monkeypatch) -> None:
    monkeypatch.setattr(logprobs, "VOCABULARY_ROWS", 2)
    ours: LlamaForCausalLM = tiny_model(40)
    theirs = deepcopy(ours)
    assert ours.lm_head.weight is ours.get_input_embeddings().weight

    def learn(model: LlamaForCausalLM) -> torch.Tensor:
        for prompt, response in (([3, 4], [5, 6, 7]), ([8], [9])):
            response_logprobs(model, [prompt], [response]).logprobs.sum().backward()
        assert model.lm_head.weight.grad is not None
        return model.lm_head.weight.grad

    expected = learn(theirs)
    with accumulate.in_place(ours):
        torch.testing.assert_close(learn(ours), expected)
    torch.testing.assert_close(learn(ours), 2 * expected)  # autograd adds to it as ever


def test_afterwards_the_model_is_as_it_was() -> None:
    model = Model()
    with accumulate.in_place(model):
        assert "forward" in vars(model.inner) and "forward" not in vars(model.frozen)
    assert not any("forward" in vars(module) for module in model.modules())
    assert not any(gradients_in_place.is_in_place(weight) for weight in model.parameters())
    deepcopy(model)


def test_sharded_weights_are_left_to_autograd() -> None:
    layer = nn.Linear(3, 2)
    with accumulate.in_place(layer):
        assert "forward" in vars(layer)
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        distribute_module(layer, init_device_mesh("cpu", (1,)))
        with accumulate.in_place(layer):
            assert "forward" not in vars(layer)
    finally:
        distributed.destroy_process_group()
