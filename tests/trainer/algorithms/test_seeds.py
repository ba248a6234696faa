"""Draws depend on seed, purpose and step alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.algorithms.seeds import derive, permutation, stream


def test_seeds_differ_by_purpose_and_are_fixed_for_ever() -> None:
    assert derive(0, "epoch", 1) == derive(0, "epoch", 1)
    assert len({derive(0), derive(1), derive(0, "epoch"), derive(0, "epoch", 1)}) == 4
    assert derive(0, "head") == 3_275_999_401_485_731_497


@given(st.integers(1, 20), st.integers(0, 60), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_a_stream_is_the_same_however_it_is_read(count: int, start: int, length: int) -> None:
    whole = stream(count, 0, start + length, 7, "prompts")
    assert stream(count, start, length, 7, "prompts") == whole[start:]


@given(st.integers(1, 20))
@settings(max_examples=20, deadline=None)
def test_every_index_comes_once_a_pass(count: int) -> None:
    seen = stream(count, 0, 3 * count, 1, "prompts")
    assert set(Counter(seen).values()) == {3}
    assert sorted(seen[:count]) == list(range(count))
    assert count < 10 or seen[:count] != seen[count : 2 * count]
    assert sorted(permutation(count, 1, "x")) == list(range(count))
