"""The tables of exports: a toy shape and a toy file that are added to them are offered, written and
read back, as docs/extend/export.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from labeling.exports import FILES, SHAPES, File, Shape
from labeling.models import Demonstration

pytestmark = pytest.mark.django_db


def question(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """`{question, answer}`: the last turn and what was said to it."""
    yield {"question": row["messages"][-1]["content"], "answer": row["response"]}


def write_pairs(lines: Path, out: Path, schema: Mapping[str, str]) -> None:
    """A line a column: its name, a tab, its value."""
    rows = map(json.loads, lines.read_text().splitlines())
    out.write_text("".join(f"{name}\t{row[name]}\n" for row in rows for name in schema))


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy shape and the toy file in their tables."""
    shape = Shape("Question and answer", question, {"question": "string", "answer": "string"})
    monkeypatch.setitem(SHAPES["demonstrations"], "qa", shape)
    monkeypatch.setitem(FILES, "tsv", File("Tabs", write_pairs))


@pytest.fixture
def labels(ada: User, make_task: Callable[..., Any]) -> None:
    """Two demonstrations."""
    for number in range(2):
        task = make_task("demonstration")
        text = f"Answer {number}"
        Demonstration.objects.create(task=task, prompt=task.prompt, labeler=ada, text=text)


def test_toys_are_offered(client_of: Callable[[User], Client], olga: User) -> None:
    page = client_of(olga).get(reverse("admin:trainer_export_add")).content.decode()
    assert '<option value="demonstrations:qa">Demonstrations: Question and answer</option>' in page
    assert '<option value="tsv">Tabs</option>' in page


def test_toys_are_taken_by_the_api(client_of: Callable[[User], Client], olga: User) -> None:
    body = {"what": "demonstrations", "format": "qa", "file": "tsv"}
    answer = client_of(olga).post(reverse("export-list"), body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    page = (
        client_of(olga)
        .get(reverse("admin:trainer_export_change", args=[answer.json()["id"]]))
        .content.decode()
    )
    assert "Tabs" in page


def test_the_documentation_names_every_column() -> None:
    page = (settings.BASE_DIR / "docs" / "exports.md").read_text(encoding="utf-8")
    named = {*re.findall(r"`(\w+)`", page)}
    for what, shapes in SHAPES.items():
        columns = {re.sub("^(chosen|rejected)_", "", name) for name in shapes["whole"].schema}
        assert columns <= named, what
        assert shapes.keys() - {"qa"} <= named


@pytest.mark.parametrize("ending", ["jsonl", "tsv"])
def test_toys_are_written_and_read_back(ending: str, labels: None, tmp_path: Path) -> None:
    out = tmp_path / f"labels.{ending}"
    call_command("export", "demonstrations", "--format", "qa", "--out", str(out), "--json")
    lines = out.read_text().splitlines()
    rows = (
        [json.loads(line) for line in lines]
        if ending == "jsonl"
        else [dict(line.split("\t") for line in lines[at : at + 2]) for at in (0, 2)]
    )
    assert [row["answer"] for row in rows] == ["Answer 0", "Answer 1"]
    assert all(row["question"].startswith("Question ") for row in rows)
    manifest = json.loads((tmp_path / f"{out.name}.manifest.json").read_text())
    assert (manifest["shape"], manifest["file"], manifest["rows"]) == ("qa", ending, 2)
    assert manifest["schema"] == {"question": "string", "answer": "string"}
