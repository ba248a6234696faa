"""Figures: one description drawn, written as data, and as a file that stands alone."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from trainer.figures.data import Figure, Point, Series, as_csv, as_dict
from trainer.figures.svg import standalone, svg, ticks

LADDER = Figure(
    "win-rate",
    "Win rate against <base>",
    "Win rate, %",
    "Version",
    [
        Series("Training labelers", [Point("sft", 0.5, 0.4, 0.6, 80), Point("ppo", 0.7, 0.6, 0.8)]),
        Series("Held-out labelers", [Point("ppo", 0.65, 0.5, 0.8, 40)]),
    ],
    "Ties count half.",
    percent=True,
    reference=0.5,
    bounds=(0, 1),
    shape="rows",
)
CURVE = Figure(
    "calibration",
    "Calibration",
    "Predicted",
    "Observed, %",
    [Series("Pairs", [Point(0.5, 0.52, 0.4, 0.6), Point(0.9, 0.7, 0.6, 0.8)], "line")],
    percent=True,
    diagonal=True,
    bounds=(0, 1),
)
HEAP = replace(
    CURVE,
    name="scores",
    diagonal=False,
    series=[Series("Demonstrations", [Point(0.0, 0.5), Point(1.0, 0.5), Point(2.0, 0.0)], "steps")],
)


@pytest.mark.parametrize("figure", [LADDER, CURVE, HEAP])
@pytest.mark.parametrize("width", [540, 320])
def test_every_drawing_names_both_its_axes_or_its_rows(figure: Figure, width: int) -> None:
    drawn = ElementTree.fromstring(svg(figure, width))
    texts = [text.text for text in drawn.iter("text")]
    assert figure.x_title in texts
    assert figure.y_title in texts or {"sft", "ppo"} <= set(texts)
    assert drawn.get("aria-label", "").startswith(figure.title)
    _, _, right, bottom = map(float, (drawn.get("viewBox") or "").split())
    for line in drawn.iter("line"):
        assert 0 <= float(line.get("x1") or -1) <= right
        assert 0 <= float(line.get("y2") or -1) <= bottom


def test_an_estimate_stands_where_its_scale_puts_it() -> None:
    drawn = ElementTree.fromstring(svg(LADDER, 540))
    [half] = [line for line in drawn.iter("line") if line.get("class") == "fig-reference"]
    [sft, ppo] = [m for m in drawn.iter("circle") if m.get("r") == "4"][1:]  # the first: legend
    left, right = 3 * 7.2 + 16, 540 - 24  # beside names of three letters
    assert float(half.get("x1") or 0) == pytest.approx((left + right) / 2, abs=0.1)
    assert float(sft.get("cx") or 0) == pytest.approx(float(half.get("x1") or 0))
    assert float(ppo.get("cx") or 0) == pytest.approx(left + 0.7 * (right - left), abs=0.1)


def test_the_data_is_the_same_in_every_form() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(LADDER))))
    assert rows[0] == {
        "series": "Training labelers",
        "x": "sft",
        "value": "0.5",
        "low": "0.4",
        "high": "0.6",
        "n": "80",
    }
    assert [row["value"] for row in as_dict(LADDER)["rows"]] == [0.5, 0.7, 0.65]
    assert len(rows) == len(LADDER.table) == 3


def test_a_file_stands_alone_and_names_every_colour() -> None:
    text = standalone(LADDER)
    drawn = ElementTree.fromstring(text)
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in text and "light-dark" not in text
    assert "#0c5d5a" in text


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 7, [1, 2, 3, 4, 5, 6, 7]),
        (-0.3, 0.2, None),
        (3, 3, None),
    ],
)
def test_marks_are_round_and_reach_both_ends(
    low: float, high: float, marks: list[float] | None
) -> None:
    found = ticks(low, high)
    assert marks is None or found == marks
    assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 9
