"""Adam as the paper sets it, and one checked optimizer step."""

from __future__ import annotations

import math

import torch
from torch import nn

from trainer.algorithms.contract import TrainingError
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.distributed.sharding import clip_gradients, is_sharded

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
    return torch.optim.Adam(parameters, lr=0.0, betas=BETAS, eps=epsilon, **way)


def update(optimizer: torch.optim.Optimizer, max_norm: float, crew: Crew) -> float:
    """Take one step along the gathered gradients and clear them; returns their norm before
    clipping to `max_norm` (0: not clipped).

    Raises TrainingError, with the weights untouched, when a gradient is not a finite number.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    crew.sum_gradients(parameters)
    clip = clip_gradients if is_sharded(parameters) else nn.utils.clip_grad_norm_
    norm = float(clip(parameters, max_norm or math.inf))
    if not math.isfinite(norm):
        raise TrainingError(
            "The loss or its gradient is no longer a finite number. Lower the learning rate, or "
            "look for broken labels, and start again; the last saved checkpoint is intact."
        )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
