"""When two prompts are the same one. Pure functions.

Equal after normalising: one is dropped. A long shared prefix: linked to the one kept, as Ouyang et
al. 2022 did (appendix A.2, which gives no length; ours is `PREFIX`).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence

PREFIX = 200
"""Characters, after normalising, that two prompts must share to count as near-duplicates."""


def normalised(text: str) -> str:
    """The text without differences of case, white space and Unicode form (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def fingerprint(messages: Sequence[Mapping[str, str]]) -> str:
    """The same for two conversations that differ only in case, white space or Unicode form."""
    turns = [f"{m['role']}\x1f{normalised(m['content'])}" for m in messages]
    return _digest("\x1e".join(turns))


def prefix_fingerprint(messages: Sequence[Mapping[str, str]]) -> str:
    """The same for two conversations that share a long beginning; empty for shorter ones.

    System messages are left out: a product puts the same one before every prompt.
    """
    spoken = (m for m in messages if m["role"] != "system")
    text = "\x1e".join(normalised(m["content"]) for m in spoken)
    return _digest(text[:PREFIX]) if len(text) >= PREFIX else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
