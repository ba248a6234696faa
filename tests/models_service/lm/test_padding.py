"""Padding: where tokens land, what the mask and the positions say, how batches are cut."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from models_service.lm.padding import (
    PASS_COST,
    batches_under_budget,
    lean_batches,
    left_pad,
    right_pad,
)

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
    for batches in (batches_under_budget(lengths, budget), lean_batches(lengths, budget, "cpu")):
        check_batches(batches, lengths, budget)


def check_batches(batches: list[list[int]], lengths: list[int], budget: int) -> None:
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[index] for index in batch)
        assert padded <= budget or len(batch) == 1


def computation(widths: list[list[int]], cost: int) -> int:
    return sum(len(batch) * max(batch) + cost for batch in widths)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=8), st.integers(1, 300))
def test_lean_batches_are_the_best_of_all_cuts(lengths: list[int], budget: int) -> None:
    ordered = sorted(lengths, reverse=True)
    cuts = [cut(ordered, places) for places in range(2 ** (len(lengths) - 1))]
    least = min(computation(c, PASS_COST["cpu"]) for c in cuts if fits(c, budget))
    lean = [[lengths[i] for i in batch] for batch in lean_batches(lengths, budget, "cpu")]
    assert computation(lean, PASS_COST["cpu"]) == least


def fits(batches: list[list[int]], budget: int) -> bool:
    return all(len(batch) * max(batch) <= budget or len(batch) == 1 for batch in batches)


def cut(ordered: list[int], places: int) -> list[list[int]]:
    """The rows, cut after number i where bit i of `places` is set."""
    batches = [[ordered[0]]]
    for i, length in enumerate(ordered[1:]):
        if places >> i & 1:
            batches.append([])
        batches[-1].append(length)
    return batches


def test_where_passes_are_dear_there_are_fewer_of_them() -> None:
    lengths = [100, 100, 100, 10, 10, 10]
    assert len(lean_batches(lengths, 1000, "cpu")) == 2
    assert len(lean_batches(lengths, 1000, "cuda")) == 1
