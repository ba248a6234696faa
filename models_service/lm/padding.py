"""Ragged lists of token ids as rectangular batches: padding, masks and position ids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# What one more pass costs on a device beside its tokens, in tokens: on a CPU little, on a GPU it
# waits for the launch of its kernels.
PASS_COST = {"cpu": 64}
PASS_COST_ELSEWHERE = 4096


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
    # A mask of its own and not ids != pad_id: the padding token may be one that a text holds
    # (`chat.pad_token_id` takes any that never ends a reply).
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
    # Longest first: the first batch then needs the most memory, and a run that does not fit fails
    # at once and not after an hour.
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if room == 0:
            batches.append([])
            # The first of a batch is its longest, so its length is the batch's width. A row above
            # the budget goes alone: refusing it here would be refusing what the settings allow.
            room = max(1, budget // max(1, lengths[index]))
        batches[-1].append(index)
        room -= 1
    return batches


def lean_batches(
    lengths: Sequence[int], budget: int, device: torch.device | str
) -> list[list[int]]:
    """Split row numbers into batches of similar length, longest first, for the least computation.

    Of all ways to cut the sorted rows into batches of at most `budget` tokens (or one row), that
    whose padded tokens and costs of a pass on `device` are the fewest together.
    """
    # Some best cut is one of the sorted rows: fill the batch of the longest row with the next
    # longest, and its width stays while the others' can only shrink.
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    cost = PASS_COST.get(torch.device(device).type, PASS_COST_ELSEWHERE)
    # least[i]: the least cost of the first i rows, begins[i]: where its last batch starts. Dynamic
    # programming over all cuts, O(rows × rows a batch): nothing beside one pass.
    least = [0.0] + [math.inf] * len(order)
    begins = [0] * (len(order) + 1)
    for begin, row in enumerate(order):
        width = max(1, lengths[row])
        for end in range(begin + 1, min(len(order), begin + max(1, budget // width)) + 1):
            total = least[begin] + width * (end - begin) + cost
            # Strictly less: of equal cuts the first stays, on every machine the same.
            if total < least[end]:
                least[end], begins[end] = total, begin
    batches, end = [], len(order)
    # Read from the end back to the start, hence turned around below.
    while end:
        batches.append(order[begins[end] : end])
        end = begins[end]
    return batches[::-1]
