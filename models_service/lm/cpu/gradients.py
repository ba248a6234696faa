"""Weights whose gradient is added up where it lies, not made anew and then added by autograd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

# A plain attribute of the tensor. It is in the tensor's dictionary, not in a set of ids here, so
# that it goes with the weight and can never name another one that took its address.
_MARK = "gradient_in_place"


@contextmanager
def in_place(weights: Iterable[Tensor]) -> Iterator[None]:
    """Inside, operations that can do it add these weights' gradients to `.grad` themselves."""
    # A list, for a generator would be used up when the marks are taken off again.
    marked = list(weights)
    for weight in marked:
        vars(weight)[_MARK] = True
    try:
        yield
    finally:
        for weight in marked:
            # Tied weights come twice among a model's layers.
            vars(weight).pop(_MARK, None)


def is_in_place(weight: Tensor) -> bool:
    """Whether an operation is to add the weight's gradient itself, and give autograd none."""
    return _MARK in vars(weight)


def buffer(weight: Tensor) -> Tensor:
    """What the gradient is to be added to: the one there is, or zeros."""
    if not is_in_place(weight):
        # Autograd then adds what comes back, as ever.
        return torch.zeros_like(weight)
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad


def add_product(weight: Tensor, rows: Tensor, inputs: Tensor, scale: float = 1.0) -> None:
    """Add scale·rowsᵀ·inputs, [out, in] of [N, out] and [N, in], to the weight's gradient."""
    if weight.grad is None:
        # The update before has set gradients to None (`optimize.update`), so a step's first pass
        # writes the product itself: zeros to add to would be one more trip through the whole
        # model's memory.
        weight.grad = (rows.t() @ inputs).mul_(scale) if scale != 1 else rows.t() @ inputs
    else:
        weight.grad.addmm_(rows.t(), inputs, alpha=scale)
