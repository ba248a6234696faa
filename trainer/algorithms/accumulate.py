"""Weight gradients of a minibatch's parts, added up where they lie.

Autograd makes each part's weight gradient anew and then adds it to the sum: for every part the
whole model is written once and read twice more than needed. On a CPU, whose memory is slow, small
parts would cost more by that than they save in padding and in activations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributed.tensor import DTensor


@contextmanager
def in_place(model: nn.Module) -> Iterator[None]:
    """Inside, backward passes add the gradients of the model's linear layers and embeddings to
    `.grad` themselves. Same numbers; other hooks on those gradients are not called.

    Only what is trained, in float32 on a CPU, and whole: under autocast on a GPU, and where weights
    are sharded over processes, nothing is changed.
    """
    changed = [m for m in model.modules() if type(m) in _FORWARDS and _suits(m)]
    for module in changed:
        vars(module)["forward"] = _FORWARDS[type(module)](module)
    try:
        yield
    finally:
        for module in changed:
            del vars(module)["forward"]


def _suits(module: nn.Module) -> bool:
    weight = module.weight
    assert isinstance(weight, nn.Parameter)
    exact = weight.dtype == torch.float32 and weight.device.type == "cpu"
    free = not isinstance(weight, DTensor) and "forward" not in vars(module)
    return weight.requires_grad and exact and free


def _linear(module: nn.Linear) -> Callable[[Tensor], Tensor]:
    return lambda x: _Linear.apply(x, module.weight, module.bias)


def _embedding(module: nn.Embedding) -> Callable[[Tensor], Tensor]:
    return lambda ids: _Embedding.apply(ids, module.weight, module.padding_idx)


_FORWARDS: dict[type, Callable[[Any], Callable[[Tensor], Tensor]]] = {
    nn.Linear: _linear,
    nn.Embedding: _embedding,
}


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x)
        ctx.weight, ctx.has_bias = weight, bias is not None
        return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,), weight = ctx.saved_tensors, ctx.weight
        rows = gradient.reshape(-1, gradient.shape[-1])
        inputs = x.reshape(-1, x.shape[-1])
        if weight.grad is None:
            weight.grad = rows.t() @ inputs
        else:
            weight.grad.addmm_(rows.t(), inputs)
        of_x = gradient @ weight if ctx.needs_input_grad[0] else None
        return of_x, None, rows.sum(0) if ctx.has_bias else None


class _Embedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, padding: int | None) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.weight, ctx.padding = weight, padding
        return F.embedding(ids, weight, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, ...]:
        (ids,), weight = ctx.saved_tensors, ctx.weight
        if ctx.padding is not None:
            gradient = gradient.masked_fill((ids == ctx.padding).unsqueeze(-1), 0)
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.index_add_(0, ids.flatten(), gradient.flatten(0, -2))
        return None, None, None
