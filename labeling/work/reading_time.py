"""How little time reading can take. Pure.

People read 238 words a minute silently, the fastest about twice as many (Brysbaert 2019, "How many
words do we read per minute?"). Whoever was on the page for less than this needs has not read it,
however practised they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import east_asian_width

# Twice the fastest readers: 960 words a minute of five letters and a space.
CHARACTERS_A_SECOND = 96
# A Chinese or Japanese character takes as long as about three letters of an alphabet.
_WIDE = 3


def reading_seconds(texts: Iterable[str]) -> int:
    """Whole seconds below which nobody can have read all of this, rounded down."""
    return sum(map(_letters, texts)) // CHARACTERS_A_SECOND


def _letters(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_WIDE if east_asian_width(character) in "WF" else 1 for character in text)
