"""Ragged lists of token ids as rectangular batches: padding, masks and position ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Padded:
    """A batch of token rows. All three are int64 [rows, time]; `mask` is 1 on real tokens."""

    ids: Tensor
    mask: Tensor
    positions: Tensor

    def to(self, device: torch.device | str) -> Padded:
        return Padded(self.ids.to(device), self.mask.to(device), self.positions.to(device))


def position_ids(mask: Tensor) -> Tensor:
    """Position of each token in its own row, [rows, time]: 0 for the first real token, whatever
    the side of the padding. Padding gets a position that exists and is never attended to."""
    return (mask.long().cumsum(dim=-1) - 1).clamp(min=0)


def left_pad(rows: Sequence[Sequence[int]], pad_id: int) -> Padded:
    """Rows end in the same column, as generation needs it."""
    return _pad(rows, pad_id, left=True)


def right_pad(rows: Sequence[Sequence[int]], pad_id: int) -> Padded:
    """Rows start in the same column, as training needs it."""
    return _pad(rows, pad_id, left=False)


def _pad(rows: Sequence[Sequence[int]], pad_id: int, *, left: bool) -> Padded:
    width = max((len(row) for row in rows), default=0)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, place] = torch.tensor(row, dtype=torch.long)
        mask[index, place] = 1
    return Padded(ids, mask, position_ids(mask))


def batches_under_budget(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Split row numbers into batches of similar length, longest first.

    A batch holds at most `budget` tokens with its padding, and at least one row.
    """
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if room == 0:
            batches.append([])
            room = max(1, budget // max(1, lengths[index]))
        batches[-1].append(index)
        room -= 1
    return batches
