"""How varied somebody's prompts are. Pure functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from labeling.intake.dedupe import normalised

OPENING = 2
"""Words that make up an opening: "write a", "what is"."""
LONG, SHORT = 60, 15
"""Words: from which length a prompt is long, below which it is short."""
_WORD = re.compile(r"\w+")
_PIECE = 3


@dataclass(frozen=True)
class Share:
    """How many of `total` are so."""

    what: str
    count: int
    total: int


def shares(values: Iterable[str], most: int | None = None) -> list[Share]:
    """Each value with its count, the most frequent first; at most so many."""
    counted = Counter(values)
    return [Share(what, count, counted.total()) for what, count in counted.most_common(most)]


def opening(text: str) -> str:
    """The first two words in lower case."""
    return " ".join(match.group() for match in islice(_WORD.finditer(normalised(text)), OPENING))


def length(text: str) -> str:
    """`short`, `medium` or `long`, by words."""
    words = len(_WORD.findall(text))
    return "short" if words < SHORT else "long" if words >= LONG else "medium"


def most_alike(text: str, others: Sequence[str]) -> tuple[float, int] | None:
    """The share of the text's runs of three words that another text has too, 0 to 1, and which
    one it is; None without others or with fewer than three words."""
    pieces = _pieces(text)
    if not pieces or not others:
        return None
    overlaps = [len(pieces & _pieces(other)) / len(pieces) for other in others]
    best = max(range(len(others)), key=overlaps.__getitem__)
    return overlaps[best], best


def _pieces(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(normalised(text))
    return set(zip(*(words[start:] for start in range(_PIECE)), strict=False))
