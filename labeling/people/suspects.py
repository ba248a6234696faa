"""Who labels without looking: what a labeler's first labels give away. Pure.

Three signs, each rare among honest labelers: an ability that is probably nearer to guessing than to
the usual, one place on the page chosen far more often than the other, and times in which nobody
reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from math import comb

import numpy as np
from numpy.typing import NDArray

from labeling.intervals import Floats, Integers
from labeling.people.ability import Fit

LEAST_ABILITY = 0.3
"""An honest labeler of ability 1/2 would rather be asked than lost; a spammer has 0."""
_CHANCE = 1e-3
"""So seldom may an honest labeler choose one place so often."""
_MOST_TOO_FAST = 0.5


class Sign(Enum):
    """Why somebody is suspected, in words."""

    GUESSES = "orders pairs no better than a guess"
    ONE_PLACE = "chooses one place on the page far more often than the other"
    TOO_FAST = "is faster than anybody reads in most tasks"


@dataclass(frozen=True)
class Suspicion:
    """A labeler and the signs against them."""

    labeler: int
    signs: tuple[Sign, ...]


def suspects(
    found: Fit,
    labelers: Integers,
    chose_first: NDArray[np.bool_],
    too_fast: NDArray[np.bool_],
) -> list[Suspicion]:
    """Whom to look at: N comparisons, each with whether the completion shown first was preferred,
    and whether it took less time than anybody needs."""
    count = len(found.abilities)
    made = np.bincount(labelers, minlength=count)
    first = np.bincount(labelers, chose_first, count).astype(int)
    fast = np.bincount(labelers, too_fast, count).astype(float)
    signs = [
        tuple(_signs(found.abilities, labeler, int(made[labeler]), int(first[labeler]), fast))
        for labeler in range(count)
    ]
    return [Suspicion(labeler, of) for labeler, of in enumerate(signs) if of]


def _signs(abilities: Floats, labeler: int, made: int, first: int, fast: Floats) -> Iterator[Sign]:
    if made and abilities[labeler] < LEAST_ABILITY:
        yield Sign.GUESSES
    if made and one_sided(max(first, made - first), made) < _CHANCE:
        yield Sign.ONE_PLACE
    if made and fast[labeler] > _MOST_TOO_FAST * made:
        yield Sign.TOO_FAST


def one_sided(count: int, of: int) -> float:
    """How probable it is that one of two even places is chosen so often or more, either of them."""
    tail = sum(comb(of, k) for k in range(count, of + 1)) / 2**of
    return min(1.0, 2 * tail)
