"""The shapes of labels: each has its row in the documentation, and is told from the others."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from labeling.intake.labels.about import COLUMNS as ABOUT
from labeling.intake.labels.own import PROVENANCE
from labeling.intake.labels.shapes import COLUMNS, SHAPES, shape_of

TURNS = [{"role": "user", "content": "Why?"}]
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("own rankings", {"messages": TURNS, "completions": ["a"], "ranks": [1]}),
    ("own pairs", {"messages": TURNS, "chosen": "a", "rejected": "b", "margin": 1}),
    ("own demonstrations", {"messages": TURNS, "response": "a", "labeler": "labeler-1"}),
    ("tree messages", {"message_id": "m", "role": "prompter", "text": "Why?"}),
    ("tree", {"prompt": {"text": "Why?", "replies": []}}),
    ("summaries", {"info": {}, "summaries": [], "choice": 0}),
    ("pairs", {"prompt": "Why?", "chosen": "a"}),
    ("pairs", {"chosen": TURNS, "rejected": TURNS}),
    ("liked", {"prompt": "Why?", "completion": "a", "label": False}),
    ("answers", {"instruction": "Why?", "completions": [{"response": "a"}]}),
    ("written", {"instruction": "Why?", "output": "a"}),
    ("written", {"prompt": TURNS, "completion": TURNS}),
    ("conversations", {"conversations": TURNS}),
]


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_has_the_shape_of_its_columns(name: str, row: dict[str, Any]) -> None:
    assert shape_of(row) == name


def test_each_shape_is_tried() -> None:
    assert {name for name, _ in ROWS} == set(SHAPES)


def test_the_documentation_names_every_column() -> None:
    page = (settings.BASE_DIR / "docs" / "import_labels.md").read_text(encoding="utf-8")
    assert page.count("\n| ") >= len(SHAPES) + len(ABOUT)
    unnamed = {name for name in COLUMNS if f"`{name}`" not in page and f"`{name}," not in page}
    # What only our own exports and message trees have, read as a whole.
    assert unnamed - PROVENANCE <= {
        "finished", "ratings", "flags", "policies", "guideline", "form", "active_seconds",
        "message_tree_id", "synthetic", "deleted",
    }  # fmt: skip
