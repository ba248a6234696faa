"""Adam as the paper sets it, and one checked optimizer step."""

from __future__ import annotations

import math

import torch
from torch import nn

from trainer.algorithms.contract import TrainingError
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.distributed.sharding import clip_gradients, is_sharded

# Appendix C of the paper, for all models: a β₂ below the library's .999 forgets the gradient's size
# within some twenty updates.
BETAS = (0.9, 0.95)


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name; what is frozen lies in the start's checkpoint."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def adam(module: nn.Module, epsilon: float) -> torch.optim.Adam:
    """Adam with β (0.9, 0.95) and no weight decay (Ouyang et al. 2022, appendix C).

    The learning rate is set before every step by the trainer.
    """
    parameters = list(trained(module).values())
    # The faster ways do not take sharded and whole parameters together.
    way = {"foreach": False} if is_sharded(parameters) else {"fused": True}
    # lr 0: a trainer that forgot to set it would learn nothing, which every test sees, instead of
    # something at the library's rate.
    return torch.optim.Adam(parameters, lr=0.0, betas=BETAS, eps=epsilon, **way)


def update(optimizer: torch.optim.Optimizer, max_norm: float, crew: Crew) -> float:
    """Take one step along the gathered gradients and clear them; returns their norm before
    clipping to `max_norm` (0: not clipped).

    Raises TrainingError, with the weights untouched, when a gradient is not a finite number.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    # Before anything looks at them: one process's gradient alone is a part of the minibatch's.
    crew.sum_gradients(parameters)
    clip = clip_gradients if is_sharded(parameters) else nn.utils.clip_grad_norm_
    # Of an infinite bound too, for the norm is a metric, and tells of a diverging run before its
    # loss does.
    norm = float(clip(parameters, max_norm or math.inf))
    # Adam's moments would take the NaN up and keep it in every later state. All processes see the
    # same norm, and so fail together.
    if not math.isfinite(norm):
        raise TrainingError(
            "The loss or its gradient is no longer a finite number. Lower the learning rate, or "
            "look for broken labels, and start again; the last saved checkpoint is intact."
        )
    optimizer.step()
    # None, not zeros: while the next batch is sampled and judged the gradients' memory is free, and
    # the first part of the next update is written, not added (`gradients.add_product`).
    optimizer.zero_grad(set_to_none=True)
    return norm
