"""Padding: where tokens land, what the mask and the positions say, how batches are cut."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from models_service.lm.padding import batches_under_budget, left_pad, right_pad

ROWS = [[5, 6, 7], [8]]


def test_left_pad_ends_rows_in_one_column() -> None:
    batch = left_pad(ROWS, pad_id=0)
    assert batch.ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert batch.mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert batch.positions.tolist() == [[0, 1, 2], [0, 0, 0]]


def test_right_pad_starts_rows_in_one_column() -> None:
    batch = right_pad(ROWS, pad_id=0)
    assert batch.ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch.positions[0].tolist() == [0, 1, 2]
    assert batch.positions[1, 0] == 0


def test_no_rows_make_an_empty_batch() -> None:
    assert right_pad([], pad_id=0).ids.shape == torch.Size([0, 0])


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 200))
def test_batches_hold_every_row_once_and_keep_the_budget(lengths: list[int], budget: int) -> None:
    batches = batches_under_budget(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[index] for index in batch)
        assert padded <= budget or len(batch) == 1
