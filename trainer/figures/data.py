"""Figures as data: what is shown, and the same as a table, as CSV and as JSON. Pure.

Two shapes: `rows` puts an estimate with its interval beside each name (Figure 1 of the paper),
`plane` has points, lines and steps over two numbers. `drawing` draws them.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Point:
    """A value at a name or number `x`, its interval where it has one, from `n` observations."""

    x: str | float
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Series:
    """Points that belong together. `mark`: points, line (joined), or steps (a histogram)."""

    title: str
    points: list[Point]
    mark: str = "points"


@dataclass(frozen=True)
class Figure:
    """What a figure shows. Shares, 0 to 1, are drawn and written in per cent where `percent`.

    `reference` is a value to compare with, such as one half; `diagonal` draws x = y.
    """

    name: str
    title: str
    x_title: str
    y_title: str
    series: list[Series]
    note: str = ""
    percent: bool = False
    reference: float | None = None
    diagonal: bool = False
    bounds: tuple[float, float] | None = None
    x_bounds: tuple[float, float] | None = None
    shape: str = field(default="plane", kw_only=True)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(series.points for series in self.series)

    @property
    def row_title(self) -> str:
        """What the table's rows are."""
        return self.y_title if self.shape == "rows" else self.x_title

    @property
    def value_title(self) -> str:
        """What the table's values are, with their unit."""
        return self.x_title if self.shape == "rows" else self.y_title

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The table as people read it, shares in per cent as the drawing has them."""
        return [
            row
            | {
                "x": row["x"] if isinstance(row["x"], str) else f"{row['x']:.4g}",
                "value": number(row["value"], self.percent),
                "interval": "–"
                if row["low"] is None
                else f"{number(row['low'], self.percent)} to {number(row['high'], self.percent)}",
                "n": "–" if row["n"] is None else row["n"],
            }
            for row in self.table
        ]

    @property
    def table(self) -> list[dict[str, Any]]:
        """One row a point, as the page's table and the CSV have it."""
        return [
            {"series": series.title, **asdict(point)}
            for series in self.series
            for point in series.points
        ]


def as_dict(figure: Figure) -> dict[str, Any]:
    """The figure as JSON has it."""
    return {
        "name": figure.name,
        "title": figure.title,
        "x": figure.x_title,
        "y": figure.y_title,
        "note": figure.note,
        "rows": figure.table,
    }


def as_json(figure: Figure) -> str:
    """The same as text."""
    return json.dumps(as_dict(figure), ensure_ascii=False, indent=1)


def as_csv(figure: Figure) -> str:
    """One line a point: series, x, value, low, high, n; shares are shares."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["series", "x", "value", "low", "high", "n"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(figure.table)
    return out.getvalue()


def number(value: float, percent: bool) -> str:
    """As people read it: four digits, a share in per cent."""
    return f"{100 * value:.4g}" if percent else f"{value:.4g}"
