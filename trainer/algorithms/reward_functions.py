"""Functions that add to a score, as settings name them: `module:function` or `module:function=0.5`.

Nothing here imports one: which may be is a setting of the installation, and it is done in the
training process alone (`reward_parts`).
"""

from __future__ import annotations

import math
import re

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def weights_of(text: str) -> dict[str, float]:
    """The weight of each function, by its name, in the order of a text that separates them by
    commas. Raises ValueError with what is wrong."""
    weights: dict[str, float] = {}
    for one in filter(None, map(str.strip, text.split(","))):
        name, _, weight = map(str.strip, one.partition("="))
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not of the form module:function")
        if name in weights:
            raise ValueError(f"{name} is named twice")
        weights[name] = _weight(name, weight or "1")
    return weights


def not_allowed(text: str, allowed: list[str]) -> str:
    """Why some function that is named may not be imported here; empty where all may."""
    unknown = [name for name in weights_of(text) if name not in allowed]
    if not unknown:
        return ""
    return (
        f"{', '.join(unknown)} is not among the installation's REWARD_FUNCTIONS, which name what "
        "may be imported: add it there, or take it out."
    )


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    # No weight below 0: a function that finds faults says so with a number below 0.
    if not 0 <= weight < math.inf:
        raise ValueError(f"the weight of {name} must be a number of at least 0, not {text!r}")
    return weight
