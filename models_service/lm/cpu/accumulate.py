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
from models_service.lm.cpu.matmul import linear, suits


@contextmanager
def in_place(model: nn.Module) -> Iterator[None]:
    """Inside, backward passes add the gradients of the model's linear layers, adapters and
    embeddings to `.grad` themselves. Same numbers; other hooks on those gradients are not called.

    Only what is trained, in float32 on a CPU, and whole: under autocast on a GPU, and where weights
    are sharded over processes, nothing is changed.
    """
    # By exact type: a subclass may compute something else in its own forward (a quantised layer, a
    # router), and that would be lost without a word.
    changed = [m for m in model.modules() if type(m) in _FORWARDS and _suits(m)]
    for module in changed:
        # Into the instance's own dictionary, where a call finds it before the class's, which `del`
        # brings back. A deep copy made inside would take the closure over, and compute with the
        # original's weights: none is made there.
        vars(module)["forward"] = _FORWARDS[type(module)](module)
    try:
        # The weights are marked as well as the layers replaced, since `logprobs` multiplies by the
        # unembedding's weight without ever calling its layer. Tied weights are one tensor, so that
        # embedding and unembedding add into the same `.grad`.
        with gradients.in_place(weight for module in changed for weight in module.parameters()):
            yield
    finally:
        for module in changed:
            del vars(module)["forward"]


def _suits(module: nn.Module) -> bool:
    weights = list(module.parameters())
    whole = all(suits(w) and not isinstance(w, DTensor) for w in weights)
    if isinstance(module, LoraLinear) and type(module.get_base_layer()) is not nn.Linear:
        # _Adapted below multiplies by the base weight's transpose.
        return False  # GPT-2's Conv1D, whose weight is the other way round
    # A layer that has been replaced already (packed for sampling, halved for good) keeps what it
    # was given. One without anything to train gains nothing here: autograd makes no weight gradient
    # of it.
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
    # An embedding's own gradient is a table as large as the vocabulary, zeros but for the rows that
    # were read: the most there is to save by adding in place.
    return lambda ids: _Embedding.apply(ids, module.weight, module.padding_idx)


def _adapted(module: LoraLinear) -> Callable[[Tensor], Tensor]:
    # Exactly one adapter, without dropout, is what `trunks` makes; of two the unpacking fails at
    # once instead of leaving one out of the gradient.
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
        # The weight is held, not saved: backward needs its `.grad` and its mark, and what autograd
        # gives back for a saved tensor may be another object (hooks on saved tensors). Nothing then
        # notices a weight that changed between the passes; every backward pass is over before the
        # optimizer's step.
        ctx.save_for_backward(x)
        ctx.weight, ctx.has_bias = weight, bias is not None
        return linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,), weight = ctx.saved_tensors, ctx.weight
        # The weight's own gradient goes to MKL, which is the faster for this shape and adds it up
        # where it lies; what is passed on goes to oneDNN (docs/decisions/0009).
        gradients.add_product(weight, gradient, x)
        of_x = linear(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        # None for the weight: whatever is returned autograd would add to `.grad` a second time. A
        # bias is small, and goes the usual way.
        return of_x, None, gradient.sum(0) if ctx.has_bias else None


class _Adapted(torch.autograd.Function):
    """W·x + b + s·B·A·x of a frozen layer with low-rank adapters, in one go."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        # [N, r] is kept for the backward pass, a fraction of the output's width: made anew it would
        # cost another product as large as x.
        low = x @ a.t()
        ctx.save_for_backward(x, low)
        ctx.weights, ctx.scale = (weight, a, b), scale
        # Scaled and added inside of the product. As operations of their own they were each as large
        # as the layer's output: 12 % of a policy update with shared trunks (docs/decisions/0009).
        return linear(x, weight, bias).addmm_(low, b.t(), alpha=scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, low), (weight, a, b) = ctx.saved_tensors, ctx.weights
        # Scaled once, here: both what A learns and what is passed on to x are made from it. B's own
        # gradient is made from `low`, which is not scaled, and so takes the scale by itself.
        of_low = (gradient @ b).mul_(ctx.scale)
        gradients.add_product(a, of_low, inputs)
        gradients.add_product(b, gradient, low, ctx.scale)
        if not ctx.needs_input_grad[0]:
            return (None,) * 6
        # The first adapted layer of a frozen model has inputs that need no gradient: the two
        # products of the line below would be thrown away.
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
            # As torch's own embedding has it: the padding row never learns.
            gradient = gradient.masked_fill((ids == ctx.padding).unsqueeze(-1), 0)
        # A token that stands at several places has several rows to add: index_add_, not an
        # assignment by index, which would keep one of them.
        gradients.buffer(weight).index_add_(0, ids.flatten(), gradient.flatten(0, -2))
        return None, None, None
