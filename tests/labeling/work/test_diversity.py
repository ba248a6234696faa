"""How varied somebody's prompts are."""

from __future__ import annotations

import pytest

from labeling.work.diversity import Share, length, most_alike, opening, shares


def test_shares_count_the_most_frequent_first() -> None:
    openings = [opening(text) for text in ("Write a poem", "Name it!", "write  A letter to me")]
    assert shares(openings, most=1) == [Share("write a", 2, 3)]


def test_lengths_are_told_by_words() -> None:
    assert [length("word " * count) for count in (14, 15, 59, 60)] == [
        "short",
        "medium",
        "medium",
        "long",
    ]


def test_the_most_alike_shares_runs_of_three_words() -> None:
    others = ["Why is the sea salty?", "Write a poem about the sea and the sky."]
    # of its four runs, three stand in the second
    assert most_alike("Write a POEM about the rain", others) == (pytest.approx(3 / 4), 1)
    assert most_alike("two words", others) is None
    assert most_alike("quite another thing altogether", others) == (0, 0)
