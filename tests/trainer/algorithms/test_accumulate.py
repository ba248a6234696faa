"""Gradients added up in place against autograd's own."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from trainer.algorithms import accumulate


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


def gradients(model: Model, parts: list[torch.Tensor]) -> dict[str, torch.Tensor]:
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


def test_afterwards_the_model_is_as_it_was() -> None:
    model = Model()
    with accumulate.in_place(model):
        assert "forward" in vars(model.inner) and "forward" not in vars(model.frozen)
    assert not any("forward" in vars(module) for module in model.modules())
    deepcopy(model)
