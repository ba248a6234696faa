"""Randomness without a state: every draw is a function of the run's seed, its purpose and a step.

A resumed run therefore draws what the uninterrupted one would have drawn; there is no random
state to save, and how often something else drew a number makes no difference.
"""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 62-bit seed for one purpose, the same on every machine."""
    # Hashed, where seed + purpose would overlap: run 1's step 2 must not be run 2's step 1.
    text = "/".join(map(str, (seed, *purpose)))
    # 62 bits: NumPy, torch and the sampling's seed + j take it as a signed 64-bit number, with room
    # for j. Not Python's hash(), which is another in every process.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2


def permutation(count: int, seed: int, *purpose: str | int) -> list[int]:
    """0 … count−1 in an order drawn for this purpose."""
    # A generator of its own, on the CPU: the global one would be moved by whatever else draws, and
    # a GPU's draws other numbers.
    generator = torch.Generator().manual_seed(derive(seed, *purpose))
    return torch.randperm(count, generator=generator).tolist()


def stream(count: int, start: int, length: int, seed: int, *purpose: str | int) -> list[int]:
    """`length` indices below `count` from position `start` of an endless shuffled reading.

    Every index comes once before any comes twice; each pass has its own order.
    """
    positions = range(start, start + length)
    passes = sorted({position // count for position in positions})
    # Each pass is drawn whole, though a few of its places are asked for: that is what lets any step
    # be computed without the steps before it.
    orders = {number: permutation(count, seed, *purpose, number) for number in passes}
    return [orders[position // count][position % count] for position in positions]
