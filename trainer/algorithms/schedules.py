"""What changes over a run as a pure function of its progress: learning rates, β, weight averages.

A learning rate is computed from the step number alone, so that a resumed run needs no scheduler
state; β and the averaged weights are state, and the trainers save them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trainer.algorithms.distributed.sharding import alike
from trainer.algorithms.optimize import trained

COSINE_FLOOR = 0.1
WARMUP_START = 0.1
ADAPTIVE_KL_BOUND = 0.2


def cosine_to_tenth(step: int, total: int) -> float:
    """Factor on the peak learning rate at `step` of `total` (0-based): 1 falling to 0.1.

    No warm-up: the first update is made at the peak, the last at 10 % of it. (Ouyang et al. 2022,
    appendix C.1 and C.2.)
    """
    # total − 1, so that the last update is made at a tenth, not the one after it. A run of one
    # update is made at the peak.
    progress = min(step / max(total - 1, 1), 1.0)
    return COSINE_FLOOR + (1 - COSINE_FLOOR) * (1 + math.cos(math.pi * progress)) / 2


def linear_warmup(iteration: int, warmup: int) -> float:
    """Factor at `iteration` (0-based): from 0.1 linearly to 1 over `warmup` iterations, then 1.

    (Ouyang et al. 2022, appendix C.4: "warmup over the first 10 iterations, from 0.1 of the peak".)
    """
    if iteration >= warmup:
        return 1.0
    # iteration / warmup: the iteration after the last of the warm-up is the first at the peak.
    return WARMUP_START + (1 - WARMUP_START) * iteration / warmup


def adapt_beta(beta: float, kl: float, target: float, episodes: int, horizon: int) -> float:
    """β·(1 + clip(KL/target − 1, ±0.2)·episodes/horizon), its last factor 1 at most.

    (Ziegler et al. 2019, section 2.2.)
    """
    # Bounded, so that one odd batch moves β by a fifth at the most. Of a batch longer than the
    # horizon the share is 1: at five times the horizon β would become negative, and pay for
    # divergence.
    error = max(-ADAPTIVE_KL_BOUND, min(ADAPTIVE_KL_BOUND, kl / target - 1))
    return beta * (1 + error * min(episodes / horizon, 1.0))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set one learning rate on every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class WeightAverage:
    """θ̄ ← decay·θ̄ + (1 − decay)·θ after every optimizer step; θ̄ is what PPO exports.

    (Ouyang et al. 2022, appendix C.4, decay 0.992.) `weights` holds what is trained, by
    parameter name, tied parameters once.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        # Of what is trained alone: of shared trunks that is adapters, and averaging the frozen rest
        # would be a copy of a model for nothing.
        self.weights = {name: p.detach().clone() for name, p in trained(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards `model`'s present weights."""
        for name, parameter in self._averaged(model):
            self.weights[name].mul_(self.decay).add_(parameter, alpha=1 - self.decay)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take up saved averages, exactly."""
        for name, average in self.weights.items():
            # Copied into the tensors that are there, which may be shards.
            average.copy_(alike(weights[name], average))

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Inside the block `model` holds the averaged weights; afterwards its own again."""
        self._exchange(model)
        try:
            yield
        # Exchanged back also when the evaluation inside fails or the run is stopped: else learning
        # would go on from the average.
        finally:
            self._exchange(model)

    def _averaged(self, model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, p) for name, p in model.named_parameters() if name in self.weights)

    @torch.no_grad()
    def _exchange(self, model: nn.Module) -> None:
        # Copied and not swapped: of a sharded parameter others hold the storage.
        for name, parameter in self._averaged(model):
            present = parameter.detach().clone()
            parameter.copy_(self.weights[name])
            self.weights[name] = present
