"""When two prompts are the same one. Pure functions.

Equal after normalising: one is dropped. A long shared prefix: linked to the one kept, as Ouyang et
al. 2022 did (appendix A.2, which gives no length; ours is `PREFIX`). Otherwise alike: linked as
well; MinHash bands (Broder 1997) name the few to compare, their shingles decide.
"""

from __future__ import annotations

import hashlib
import struct
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

PREFIX = 200
"""Characters, after normalising, that two prompts must share to count as near-duplicates."""

ALIKE = 0.85
"""Jaccard similarity of their shingles from which two prompts count as near-duplicates."""

# Two prompts of similarity s share a band with probability 1 - (1 - s^ROWS)^BANDS: 0.98 at ALIKE,
# 0.12 at one half. Band keys are stored, so none of these three may change without a migration.
BANDS, ROWS, _SEED = 8, 6, 42
_SHINGLE = 5  # characters, which serves languages without spaces too
_MOST = 20_000  # characters compared
# Of the characters of a shingle; odd, so that they lose nothing in arithmetic modulo 2⁶⁴.
_WEIGHTS = np.array([pow(0x9E37_79B9_7F4A_7C15, k, 2**64) for k in range(_SHINGLE)], np.uint64)


def normalised(text: str) -> str:
    """The text without differences of case, white space and Unicode form (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def fingerprint(messages: Sequence[Mapping[str, str]]) -> str:
    """The same for two conversations that differ only in case, white space or Unicode form."""
    turns = [f"{m['role']}\x1f{normalised(m['content'])}" for m in messages]
    return _digest("\x1e".join(turns))


def prefix_fingerprint(text: str) -> str:
    """The same for two `spoken` texts that share a long beginning; empty for shorter ones."""
    return _digest(text[:PREFIX]) if len(text) >= PREFIX else ""


def spoken(messages: Sequence[Mapping[str, str]]) -> str:
    """What the conversation says, normalised, without system messages: a product puts the same one
    before every prompt."""
    said = (m for m in messages if m["role"] != "system")
    return "\x1e".join(normalised(m["content"]) for m in said)


def shingles(text: str) -> list[str]:
    """Every run of five characters of a `spoken` text, in its order."""
    text = text[:_MOST]
    return [text[at : at + _SHINGLE] for at in range(len(text) - _SHINGLE + 1)]


def band_keys(text: str) -> list[int]:
    """Signed 64-bit keys, `BANDS` of them, for a `spoken` text; none for a very short one.

    Prompts that are alike share at least one; see `similarity` for whether they are.
    """
    pieces = shingles(text)
    if not pieces:
        return []
    sketch = RMinHash(num_perm=BANDS * ROWS, seed=_SEED)
    sketch.update(pieces)
    values = sketch.digest()
    return [_key(band, values[band * ROWS : (band + 1) * ROWS]) for band in range(BANDS)]


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the shingles of two `spoken` texts, 0 to 1."""
    first, second = _distinct_shingles(one), _distinct_shingles(other)
    both = np.intersect1d(first, second, assume_unique=True).size
    return both / (first.size + second.size - both or 1)


@lru_cache(maxsize=64)  # one text is compared with several
def _distinct_shingles(text: str) -> NDArray[np.uint64]:
    """A number a shingle, ascending, each once; a sixth of the time that a set of texts takes.

    Two shingles have the same one by accident alone: once in 2⁶⁴.
    """
    codes = np.frombuffer(text[:_MOST].encode("utf-32-le"), np.uint32).astype(np.uint64)
    if codes.size < _SHINGLE:
        return codes[:0]
    numbers = np.convolve(codes, _WEIGHTS, "valid")
    numbers.sort()
    return numbers[np.append(True, numbers[1:] != numbers[:-1])]


def _key(band: int, values: Sequence[int]) -> int:
    packed = struct.pack(f"<{ROWS + 1}I", band, *values)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "big", signed=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
