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
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributed.tensor import DTensor

from models_service.lm.cpu import gradients
from models_service.lm.cpu.matmul import is_plain, linear


@contextmanager
def in_place(model: nn.Module) -> Iterator[None]:
    """Inside, backward passes add the gradients of the model's linear layers, adapters and
    embeddings to `.grad` themselves. Same numbers; other hooks on those gradients are not called.

    Only what is trained, in float32 on a CPU, and whole: under autocast on a GPU, and where weights
    are sharded over processes, nothing is changed.
    """
    changed = [m for m in model.modules() if type(m) in _FORWARDS and _suits(m)]
    for module in changed:
        vars(module)["forward"] = _FORWARDS[type(module)](module)
    try:
        with gradients.in_place(weight for module in changed for weight in module.parameters()):
            yield
    finally:
        for module in changed:
            del vars(module)["forward"]


def _suits(module: nn.Module) -> bool:
    weights = list(module.parameters())
    whole = all(is_plain(w) and not isinstance(w, DTensor) for w in weights)
    if isinstance(module, LoraLinear) and type(module.get_base_layer()) is not nn.Linear:
        return False  # GPT-2's Conv1D, whose weight is the other way round
    return whole and "forward" not in vars(module) and any(w.requires_grad for w in weights)


def _linear(module: nn.Linear) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        return _of_rows(x, lambda rows: _Linear.apply(rows, module.weight, module.bias))

    return forward


def _of_rows(x: Tensor, product: Callable[[Tensor], Tensor]) -> Tensor:
    """`product` of all rows of [..., in]. Their shape is given back here, where autograd sees it:
    of a view that was made inside an operation of our own nothing may be changed in place, and some
    models do that to what a layer gives them."""
    return product(x.reshape(-1, x.shape[-1])).unflatten(0, x.shape[:-1])


def _embedding(module: nn.Embedding) -> Callable[[Tensor], Tensor]:
    return lambda ids: _Embedding.apply(ids, module.weight, module.padding_idx)


def _adapted(module: LoraLinear) -> Callable[[Tensor], Tensor]:
    base, (name,) = module.get_base_layer(), module.active_adapters
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    scale = module.scaling[name]

    def forward(x: Tensor) -> Tensor:
        return _of_rows(x, lambda r: _Adapted.apply(r, base.weight, base.bias, a, b, scale))

    return forward


_FORWARDS: dict[type, Callable[[Any], Callable[[Tensor], Tensor]]] = {
    nn.Linear: _linear,
    nn.Embedding: _embedding,
    LoraLinear: _adapted,
}


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x)
        ctx.weight, ctx.has_bias = weight, bias is not None
        return linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,), weight = ctx.saved_tensors, ctx.weight
        gradients.add_product(weight, gradient, x)
        of_x = linear(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        return of_x, None, gradient.sum(0) if ctx.has_bias else None


class _Adapted(torch.autograd.Function):
    """W·x + b + s·B·A·x of a frozen layer with low-rank adapters, in one go."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        low = x @ a.t()
        ctx.save_for_backward(x, low)
        ctx.weights, ctx.scale = (weight, a, b), scale
        return linear(x, weight, bias).addmm_(low, b.t(), alpha=scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, low), (weight, a, b) = ctx.saved_tensors, ctx.weights
        of_low = (gradient @ b).mul_(ctx.scale)
        gradients.add_product(a, of_low, inputs)
        gradients.add_product(b, gradient, low, ctx.scale)
        if not ctx.needs_input_grad[0]:
            return (None,) * 6
        return linear(gradient, weight.t()).addmm_(of_low, a), *(None,) * 5


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
        gradients.buffer(weight).index_add_(0, ids.flatten(), gradient.flatten(0, -2))
        return None, None, None
