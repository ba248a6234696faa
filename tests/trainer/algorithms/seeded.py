"""Weights that numpy draws from a seed and a weight's name: the same in every process and version
of torch, so that fixtures made elsewhere need not hold them."""

from __future__ import annotations

import re
import zlib

import numpy as np
import torch
from torch import nn

VOCABULARY = 261
STOP_ROW, STOP_SCALE = 1, 5.0


@torch.no_grad()
def draw_weights(model: nn.Module, seed: int = 0, variation: int = 0) -> None:
    """Fill every parameter; norms around 1, the rest normal with std 0.15. A `variation` lies near
    the weights without it, as a reference model lies near the policy.

    The stop token's embedding is long, so that a model with tied embeddings stops now and then.
    """
    for name, parameter in model.named_parameters():
        known = common_name(name)
        drawn = 0.15 * _normal(known, seed, parameter)
        if variation:
            drawn += 0.02 * _normal(known, variation, parameter)
        if known.endswith("norm.weight"):
            drawn += 1
        if known == "embed_tokens.weight":
            drawn[STOP_ROW] *= STOP_SCALE
        parameter.copy_(drawn)


def gradient_marks(model: nn.Module) -> dict[str, list[float]]:
    """Each gradient's norm and its product with a drawn direction: little to store, and no other
    gradient has both."""
    return {
        common_name(name): [p.grad.norm().item(), (p.grad * _direction(name, p)).sum().item()]
        for name, p in model.named_parameters()
        if p.grad is not None
    }


def _direction(name: str, parameter: nn.Parameter) -> torch.Tensor:
    return _normal(common_name(name), 99, parameter).to(parameter.dtype)


def _normal(name: str, seed: int, parameter: nn.Parameter) -> torch.Tensor:
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return torch.from_numpy(generator.standard_normal(tuple(parameter.shape)))


def common_name(name: str) -> str:
    """A weight's name without what tells a policy from a reward model, ours or transformers'."""
    return re.sub(r"^(model|trunk)\.", "", name).replace("score.", "head.")
