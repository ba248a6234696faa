"""Where a ranking contradicts itself: what its ratings and flags say against its order. Pure.

The page asks the labeler about the same before they submit (`contradictions.js`); what is found
here is kept with the label, whatever program sent it. Cases that both must agree on stand in the
tests of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

INVERTED = "inverted"
FAILING_FIRST = "failing_first"
LOWEST_FIRST = "lowest_first"
UNTOUCHED_TIE = "all_tied"
TITLES = {
    INVERTED: "Above one rated 2 or more points higher",
    LOWEST_FIRST: "First, and rated lowest",
    FAILING_FIRST: "First, and fails the task",
    UNTOUCHED_TIE: "All tied, as the page began",
}
WIDE = 2  # ratings this far apart the other way round
FAILS = "fails_task"


class Placed(Protocol):
    """A completion's place in a ranking, 1 the best, its rating of 1 to 7 and its flags."""

    rank: int
    overall: int
    flags: list[str]


def contradictions(placed: Sequence[Placed]) -> list[str]:
    """Names of `TITLES` that hold for one labeler's ranking of a task."""
    holds = {
        INVERTED: any(
            low.overall - high.overall >= WIDE
            for high in placed
            for low in placed
            if high.rank < low.rank
        ),
        LOWEST_FIRST: _lowest_first(placed),
        FAILING_FIRST: _failing_first(placed),
        # Equal ratings begin as one tie: whoever leaves it preferred nothing.
        UNTOUCHED_TIE: len(placed) > 1
        and len({one.rank for one in placed}) == len({one.overall for one in placed}) == 1,
    }
    return [name for name, found in holds.items() if found]


def _lowest_first(placed: Sequence[Placed]) -> bool:
    ratings = [one.overall for one in placed]
    best = [one.overall for one in placed if one.rank == 1]
    return min(ratings) < max(ratings) and max(best) == min(ratings)


def _failing_first(placed: Sequence[Placed]) -> bool:
    """One that fails stands first although not all fail."""
    fails = [FAILS in one.flags for one in placed]
    return not all(fails) and any(
        failed and one.rank == 1 for one, failed in zip(placed, fails, strict=True)
    )
