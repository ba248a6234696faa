"""Randomness without a state: every draw is a function of the run's seed, its purpose and a step.

A resumed run therefore draws what the uninterrupted one would have drawn; there is no random
state to save, and how often something else drew a number makes no difference.
"""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 62-bit seed for one purpose, the same on every machine."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2


def permutation(count: int, seed: int, *purpose: str | int) -> list[int]:
    """0 … count−1 in an order drawn for this purpose."""
    generator = torch.Generator().manual_seed(derive(seed, *purpose))
    return torch.randperm(count, generator=generator).tolist()


def stream(count: int, start: int, length: int, seed: int, *purpose: str | int) -> list[int]:
    """`length` indices below `count` from position `start` of an endless shuffled reading.

    Every index comes once before any comes twice; each pass has its own order.
    """
    positions = range(start, start + length)
    passes = sorted({position // count for position in positions})
    orders = {number: permutation(count, seed, *purpose, number) for number in passes}
    return [orders[position // count][position % count] for position in positions]
