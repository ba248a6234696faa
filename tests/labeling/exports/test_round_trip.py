"""What leaves comes back: an export that is imported where nothing is gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from labeling.exports import FILES, SHAPES, files
from labeling.exports.orders import order
from labeling.models import Completion, Demonstration, RankedCompletion, Ranking
from labeling.work.guidelines import publish_guideline
from tests.labeling.management.importing import run

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]

TEXTS = ('=HYPERLINK("x")\n"quoted", Grüße, 🙂', " spaces around \n", "", "'- an apostrophe")


@pytest.fixture
def labels(ada: User, make_task: Call) -> None:
    """Labels of every kind: ties, an answer that was cut, one that is empty, two alike, flags."""
    guideline = publish_guideline(kind="ranking", purpose="training", text="Be kind.")
    for number in range(3):
        task = make_task("demonstration", use_case="chat")
        Demonstration.objects.create(
            task=task, prompt=task.prompt, labeler=ada, text=TEXTS[0], active_seconds=number
        )
        task = make_task()
        for place, text in enumerate(TEXTS):
            Completion.objects.filter(task=task, position=place).update(text=text)
        Completion.objects.filter(task=task, position=1).update(finish_reason="length")
        if number % 2:  # the first and the last answer are tied
            Completion.objects.filter(task=task, position=3).update(text=TEXTS[0])
        ranking = Ranking.objects.create(
            task=task, prompt=task.prompt, labeler=ada, guideline=guideline, active_seconds=9
        )
        ranks = ((1, 1, 2, 3), (3, 2, 1, 3))[number % 2]
        for at, completion in enumerate(task.completions.all()):
            RankedCompletion.objects.create(
                ranking=ranking, completion=completion, rank=ranks[at],
                overall=7 - 2 * at, flags=["toxic"] if number else [],
            )  # fmt: skip


def _export(what: str, shape: str, path: Path) -> bytes:
    files.write(path, order(what=what, shape=shape, file=path.suffix.removeprefix(".")))
    return path.read_bytes()


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE labeling_prompt, labeling_labelorigin, labeling_import CASCADE")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("what", "shape"), [(what, shape) for what, shapes in SHAPES.items() for shape in shapes]
)
def test_the_same_bytes(labels: None, tmp_path: Path, what: str, shape: str, file: str) -> None:
    before = _export(what, shape, tmp_path / f"before.{file}")
    _empty()
    said = run(tmp_path / f"before.{file}", "--split", "train")
    assert said["rejects"] == []
    assert said["imported"]
    assert _export(what, shape, tmp_path / f"after.{file}") == before
