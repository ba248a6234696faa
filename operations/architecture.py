"""The picture of the layers and rooms, drawn from the contracts that `make lint` proves.

Each band stands for an app and reads only the bands below it; each room reads only the rooms to its
right. Rooms in one box do not know one another.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, MARGIN, NAMES = 920, 16, 150
_ROW, _BOX, _GAP, _CHARACTER = 38, 26, 20, 8.4
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2430}"
    ".app{font-weight:600}"
    ".band{fill:#eef1f6}.room{fill:#fff;stroke:#9aa5b5}"
    "path{stroke:#6b7788;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e9ef}.band{fill:#252c38}"
    ".room{fill:#161b24;stroke:#6b7788}path{stroke:#9aa5b5}}"
)

Rooms = Mapping[str, Sequence[str]]
"""Of each app from the top: its boxes from the left, each with the rooms of one layer."""


def contracts(pyproject: Path) -> Rooms:
    """What the layer contracts say. Brackets mark what a container may lack; they are left out."""
    said = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [contract for contract in said if contract["type"] == "layers"]
    inside = {app: one["layers"] for one in layers for app in one.get("containers", ())}
    [house] = [one["layers"] for one in layers if "containers" not in one]
    return {app: [_box(layer) for layer in inside.get(app, ())] for app in house}


def svg(rooms: Rooms) -> str:
    """The picture, in light colours or dark as the reader's system has it."""
    parts: list[str] = []
    top = MARGIN
    for app, boxes in rooms.items():
        rows = _rows(boxes)
        height = _ROW * max(len(rows), 1) + _GAP // 2
        parts += _band(app, rows, top, height)
        top += height + _GAP // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">'
        f"<title>The layers of Tutelage and the rooms in them</title><style>{_STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _box(layer: str) -> str:
    return " · ".join(name.strip(" ()") for name in layer.split(":"))


def _wide(box: str) -> int:
    return round(len(box) * _CHARACTER) + 20


def _rows(boxes: Sequence[str]) -> list[list[tuple[int, str]]]:
    """The boxes with their places from the left, broken into rows as words are into lines."""
    rows: list[list[tuple[int, str]]] = []
    left = WIDTH
    for box in boxes:
        if left + _wide(box) > WIDTH - 2 * MARGIN:
            rows.append([])
            left = MARGIN + NAMES
        rows[-1].append((left, box))
        left += _wide(box) + _GAP
    return rows


def _band(
    app: str, rows: Sequence[Sequence[tuple[int, str]]], top: int, height: int
) -> Iterator[str]:
    wide = WIDTH - 2 * MARGIN
    yield f'<rect class="band" x="{MARGIN}" y="{top}" width="{wide}" height="{height}" rx="8"/>'
    yield f'<text class="app" x="{2 * MARGIN}" y="{top + 30}">{escape(app)}</text>'
    for number, row in enumerate(rows):
        y = top + 12 + number * _ROW
        for left, box in row:
            size = f'width="{_wide(box)}" height="{_BOX}"'
            yield f'<rect class="room" x="{left}" y="{y}" {size} rx="5"/>'
            yield f'<text x="{left + 10}" y="{y + 18}">{escape(box)}</text>'
        for (left, box), (right, _) in pairwise(row):
            start = left + _wide(box) + 3
            yield f'<path d="M{start} {y + 13}H{right - 4}m-5-4l5 4l-5 4"/>'


def write(base: Path) -> Path:
    """Draw the contracts of the checkout at `base` into its documentation."""
    path = base / "docs" / "architecture.svg"
    path.write_text(svg(contracts(base / "pyproject.toml")), encoding="utf-8")
    return path
