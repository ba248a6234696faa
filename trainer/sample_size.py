"""How many prompts a head-to-head needs, and what so many prompts can tell. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainer.statistics import (
    CORRELATION,
    half_width,
    power,
    prompts_for_power,
    prompts_needed,
)

WIDTHS = (0.1, 0.05, 0.03)


@dataclass(frozen=True)
class Plan:
    """What is asked of whom. `labels` of every pair by one group; `rate` is the true win rate to
    be told from even, with the chance `power`."""

    versions: int = 2
    prompts: int = 100
    labels: int = 1
    pairs: str = "baseline"
    rate: float = 0.6
    power: float = 0.8


def plan(wanted: Plan) -> dict[str, Any]:
    """The half-width and the power there would be, the prompts that are needed, and the work."""
    meetings = wanted.versions - 1
    if wanted.pairs == "all":
        meetings = wanted.versions * meetings // 2
    return {
        "half_width": half_width(wanted.prompts, wanted.labels),
        "power": power(wanted.prompts, wanted.labels, wanted.rate),
        "prompts_needed": prompts_for_power(wanted.rate, wanted.labels, wanted.power),
        "prompts_for_half_width": {
            f"{width:g}": prompts_needed(width, wanted.labels) for width in WIDTHS
        },
        "comparisons": wanted.prompts * meetings * wanted.labels,
        "assumed": {"rate": wanted.rate, "power": wanted.power, "correlation": CORRELATION},
    }
