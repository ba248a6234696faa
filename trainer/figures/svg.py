"""Figures drawn as SVG. What is drawn names no colour: it carries classes, which the page's style
sheet or, in a file that stands alone, `standalone` colours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from trainer.figures.data import Figure, Point, Series, number
from trainer.figures.style import written_out

WIDE, NARROW = 540, 320
_LINE, _TEXT, _CHARACTER = 18, 12, 7.2


@dataclass(frozen=True)
class Drawn:
    """A figure with its drawings for wide places and for a telephone."""

    figure: Figure
    wide: str
    narrow: str


def drawn(figures: Iterable[Figure]) -> list[Drawn]:
    """Every figure for a page that has the style sheet."""
    return [Drawn(figure, svg(figure, WIDE), svg(figure, NARROW)) for figure in figures]


def standalone(figure: Figure) -> str:
    """The drawing as a file of its own, in the colours of the light theme."""
    inside = f"<title>{escape(figure.title)}</title><style>{written_out()}</style>"
    return svg(figure, WIDE).replace(">", f' xmlns="http://www.w3.org/2000/svg">{inside}', 1)


def svg(figure: Figure, width: int) -> str:
    """The drawing `width` units wide, for a page that has the style sheet."""
    return _rows(figure, width) if figure.shape == "rows" else _plane(figure, width)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, at most about `most`."""
    high = high if high > low else low + 1
    span = high - low
    size = 10 ** floor(log10(span / most))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


@dataclass(frozen=True)
class _Scale:
    """Numbers from `low` to `high` on the drawing from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)


def _rows(figure: Figure, width: int) -> str:
    """Names from the top down, each with a line a series; the value goes to the right."""
    names = list(dict.fromkeys(str(p.x) for series in figure.series for p in series.points))
    pitch = _LINE * max(len(figure.series), 1)
    left, beside = _names_width(names, width)
    block = pitch + 8 + (0 if beside else _LINE)
    top = _legend_height(figure, width)
    bottom = top + block * max(len(names), 1)
    marks = ticks(*(figure.bounds or _reach(figure)))
    across = _Scale(marks[0], marks[-1], left, width - 24)
    parts = [*_legend(figure, width), *_across(figure, marks, across, top, bottom, width)]
    for row, name in enumerate(names):
        start = top + row * block
        at = (left - 8, start + pitch / 2 + 8) if beside else (left, start + _TEXT + 2)
        parts.append(_text(name, *at, "end" if beside else "start", "fig-name"))
        first = start + (0 if beside else _LINE) + 4 + _LINE / 2
        for place, series in enumerate(figure.series):
            y = first + place * _LINE
            parts += [_whisker(p, across, y, place) for p in series.points if str(p.x) == name]
    return _svg(figure, width, bottom + 46, parts)


def _plane(figure: Figure, width: int) -> str:
    """Two numbers: x to the right, y upwards."""
    top, left = _legend_height(figure, width) + _LINE, 52
    bottom = top + (260 if width > NARROW else 200)
    xs = [float(p.x) for series in figure.series for p in series.points]
    reach = figure.x_bounds or (min(xs, default=0.0), max(xs, default=1.0))
    x_marks = ticks(*reach, 6 if width > NARROW else 4)
    y_marks = ticks(*(figure.bounds or _reach(figure)))
    across = _Scale(x_marks[0], x_marks[-1], left, width - 16)
    up = _Scale(y_marks[0], y_marks[-1], bottom, top)
    parts = [*_legend(figure, width), *_upward(figure, y_marks, up, left, width, top)]
    parts += [
        _text(number(mark, False), across(mark), bottom + 16, "middle", "fig-tick")
        for mark in x_marks
    ]
    parts.append(_text(figure.x_title, (left + width - 16) / 2, bottom + 36, "middle", "fig-axis"))
    if figure.diagonal:
        low, high = max(x_marks[0], y_marks[0]), min(x_marks[-1], y_marks[-1])
        parts.append(_line(across(low), up(low), across(high), up(high), "fig-reference"))
    for place, series in enumerate(figure.series):
        parts += _drawn(series, across, up, place)
    return _svg(figure, width, bottom + 46, parts)


def _drawn(series: Series, across: _Scale, up: _Scale, place: int) -> Iterator[str]:
    places = [(across(float(p.x)), up(p.value)) for p in series.points]
    if series.mark == "steps":
        places = _stairs(places)
    if series.mark != "points" and places:
        path = " ".join(f"{x},{y}" for x, y in places)
        yield f'<polyline class="fig-line fig-{place}" points="{path}"/>'
    if series.mark == "steps":
        return
    for point, (x, y) in zip(series.points, places, strict=True):
        if point.low is not None and point.high is not None:
            yield _line(x, up(point.low), x, up(point.high), f"fig-range fig-{place}")
        if series.mark == "points" or len(places) < 40:
            yield _mark(x, y, place)


def _stairs(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A histogram's outline; each point stands at the left edge of its bin."""
    corners = []
    for (x, y), (following, _) in pairwise(places):
        corners += [(x, y), (following, y)]
    return corners


def _whisker(point: Point, across: _Scale, y: float, place: int) -> str:
    parts = []
    if point.low is not None and point.high is not None:
        low, high = across(point.low), across(point.high)
        parts.append(_line(low, y, high, y, f"fig-range fig-{place}"))
        parts += [_line(end, y - 4, end, y + 4, f"fig-range fig-{place}") for end in (low, high)]
    return "".join([*parts, _mark(across(point.value), y, place)])


def _mark(x: float, y: float, place: int) -> str:
    """A circle, a square or a diamond, so that series differ by more than their colour."""
    if place % 3 == 0:
        return f'<circle class="fig-mark fig-{place}" cx="{x}" cy="{y}" r="4"/>'
    turn = f' transform="rotate(45 {x} {y})"' if place % 3 == 2 else ""
    box = f'x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"'
    return f'<rect class="fig-mark fig-{place}" {box}{turn}/>'


def _across(
    figure: Figure, marks: Sequence[float], across: _Scale, top: float, bottom: float, width: int
) -> Iterator[str]:
    for mark in marks:
        yield _line(across(mark), top, across(mark), bottom, "fig-grid")
        text = number(mark, figure.percent)
        yield _text(text, across(mark), bottom + 16, "middle", "fig-tick")
    if figure.reference is not None:
        x = across(figure.reference)
        yield _line(x, top, x, bottom, "fig-reference")
    middle = (across.start + across.end) / 2 if width > NARROW else width / 2
    yield _text(figure.x_title, middle, bottom + 36, "middle", "fig-axis")


def _upward(
    figure: Figure, marks: Sequence[float], up: _Scale, left: float, width: int, top: float
) -> Iterator[str]:
    for mark in marks:
        yield _line(left, up(mark), width - 16, up(mark), "fig-grid")
        yield _text(number(mark, figure.percent), left - 8, up(mark) + 4, "end", "fig-tick")
    if figure.reference is not None:
        y = up(figure.reference)
        yield _line(left, y, width - 16, y, "fig-reference")
    yield _text(figure.y_title, 4, top - 10, "start", "fig-axis")


def _legend(figure: Figure, width: int) -> Iterator[str]:
    for place, (title, x, y) in enumerate(_legend_places(figure, width)):
        yield _mark(x + 6, y - 4, place) + _text(title, x + 16, y, "start", "fig-legend")


def _legend_places(figure: Figure, width: int) -> list[tuple[str, float, float]]:
    places, x, y = [], 4.0, 16.0
    for series in figure.series:
        room = 30 + _CHARACTER * len(series.title)
        if x > 4 and x + room > width:
            x, y = 4.0, y + _LINE
        places.append((series.title, x, y))
        x += room
    return places


def _legend_height(figure: Figure, width: int) -> float:
    places = _legend_places(figure, width)
    return places[-1][2] + 10 if places else 10


def _names_width(names: Sequence[str], width: int) -> tuple[float, bool]:
    """Where the scale begins, and whether the names stand beside it or above their rows."""
    longest = max(map(len, names), default=0) * _CHARACTER + 16
    return (longest, True) if longest < width * 0.45 else (12, False)


def _reach(figure: Figure) -> tuple[float, float]:
    values = [
        bound
        for series in figure.series
        for p in series.points
        for bound in (p.value, p.low, p.high)
        if bound is not None
    ]
    if figure.reference is not None:
        values.append(figure.reference)
    return min(values, default=0.0), max(values, default=1.0)


def _svg(figure: Figure, width: int, height: float, parts: Sequence[str]) -> str:
    label = escape(f"{figure.title}. {figure.note}".strip(), {'"': "&quot;"})
    head = f'class="fig" viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{label}"'
    return f"<svg {head}>{''.join(parts)}</svg>"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(text: str, x: float, y: float, anchor: str, kind: str) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )
