"""What a text from outside must be before it is kept. Pure functions."""

from __future__ import annotations

import math
import re
from typing import Any

_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")

MAX_CHARACTERS = 100_000
MAX_DEPTH = 20


def fault(value: Any) -> str | None:
    """What is wrong with a text that has to say something; None if nothing is."""
    if not isinstance(value, str):
        return "must be a text"
    if not value.strip():
        return "is empty"
    if len(value) > MAX_CHARACTERS:
        return f"is longer than {MAX_CHARACTERS:,} characters"
    return None if keepable(value) else "holds a NUL or half a surrogate pair"


def keepable(value: Any, depth: int = 0) -> bool:
    """Whether PostgreSQL can store the value: no NUL, no lone surrogate, no infinity, not endlessly
    deep."""
    if depth > MAX_DEPTH:
        return False
    if isinstance(value, str):
        return not _UNKEEPABLE.search(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(keepable(part, depth + 1) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return all(keepable(part, depth + 1) for part in value)
    return True
