"""Who labeled, in files that leave: a name that stays from export to export and says nothing.

HMAC-SHA256 of the account's inner pseudonym under a key of the installation's own, so that nobody
who has a file and a snapshot, or the database without SECRET_KEY, can join the two. See
docs/decisions/0008-labelers-leave-under-a-sealed-key.md.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import cache

from labeling.exports.pseudonym_key import export_key

_CHARACTERS = 24


def pseudonyms() -> Callable[[str], str]:
    """The function from an inner pseudonym to the one that leaves."""
    key = export_key()

    @cache
    def name_of(pseudonym: str) -> str:
        digest = hmac.new(key, pseudonym.encode(), hashlib.sha256).hexdigest()
        return f"labeler-{digest[:_CHARACTERS]}"

    return name_of
