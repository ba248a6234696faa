"""What leaves comes back: an export that is imported where nothing is gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from labeling.exports import FILES, SHAPES, files
from labeling.exports.orders import order
from labeling.label_filters import usable
from labeling.models import (
    Completion,
    Demonstration,
    HeadToHead,
    LabelingTask,
    LabelSet,
    RankedCompletion,
    Ranking,
)
from labeling.work.guidelines import publish_guideline
from models_service.models import ModelVersion
from tests.labeling.management.importing import run
from trainer.models import DatasetSnapshot, SnapshotLabel, TrainingRound

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
                ranking=ranking,
                completion=completion,
                rank=ranks[at],
                overall=7 - 2 * at,
                flags=["toxic"] if number else [],
            )
    _learned_from(Ranking.objects.all(), task.policy)
    _measured(ada, make_task, task.policy)


def _learned_from(rankings: Any, version: ModelVersion) -> None:
    """A round froze them; they were shown in another order, and sampled with settings."""
    snapshot = DatasetSnapshot.objects.create(sha256="0" * 64, filename="none", counts={})
    TrainingRound.objects.create(recipe={}, snapshot=snapshot, start=version)
    Completion.objects.update(sampling={"temperature": 0.7, "engine": "größer"}, seed=7)
    for ranking in rankings:
        SnapshotLabel.objects.create(snapshot=snapshot, ranking=ranking)
        ids = ranking.task.completions.order_by("-position").values_list("pk", flat=True)
        Ranking.objects.filter(pk=ranking.pk).update(display_order=list(ids))


def _measured(ada: User, make_task: Call, version: ModelVersion) -> None:
    """Two rankings of an evaluation, one of them by a held-out labeler."""
    head_to_head = HeadToHead.objects.create(
        ladder=[version.pk], baseline=version, split="validation", prompts=2
    )
    for group in ("training", "held_out"):
        task = make_task(purpose="evaluation", k=2, split="validation", topic="=medicine")
        LabelingTask.objects.filter(pk=task.pk).update(head_to_head=head_to_head)
        ranking = Ranking.objects.create(
            task=task, prompt=task.prompt, labeler=ada, group=group, active_seconds=4
        )
        for rank, completion in enumerate(task.completions.all(), start=1):
            RankedCompletion.objects.create(
                ranking=ranking, completion=completion, rank=rank, overall=4
            )


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
    measured = Ranking.objects.filter(task__purpose="imported_eval").count()
    assert measured == (2 if what == "evaluations" else 0)
    assert usable(Ranking.objects.filter(task__purpose="imported_eval")).count() == 0


def test_a_row_says_all_that_is_known_of_it(labels: None, tmp_path: Path) -> None:
    path = tmp_path / "rankings.jsonl"
    row = json.loads(_export("rankings", "whole", path).splitlines()[0])
    ranking = Ranking.objects.select_related("task", "prompt").get(pk=row["id"])
    completions = list(ranking.task.completions.order_by("position"))
    assert (row["task_id"], row["prompt_id"]) == (ranking.task_id, ranking.prompt_id)
    assert row["completion_ids"] == [one.pk for one in completions]
    assert row["versions"] == [one.version_id for one in completions]
    assert row["finish_reasons"] == ["stop", "length", "stop", "stop"]
    assert [json.loads(text) for text in row["sampling"]] == [one.sampling for one in completions]
    assert (row["seeds"], row["shown"]) == ([7] * 4, [4, 3, 2, 1])
    assert (row["group"], row["guideline"]) == ("training", 1)
    assert row["round"] == TrainingRound.objects.get().pk
    assert (row["row_id"], row["set"], row["licence"]) == (None, None, None)


def test_each_pair_has_an_id_of_its_own(labels: None, tmp_path: Path) -> None:
    rows = [
        json.loads(line)
        for line in _export("pairs", "whole", tmp_path / "pairs.jsonl").splitlines()
    ]
    assert len({row["id"] for row in rows}) == len(rows) > 3
    for row in rows:
        ranks = dict(
            Ranking.objects.get(pk=row["ranking_id"]).ranked.values_list("completion", "rank")
        )
        better, worse = row["chosen_completion_id"], row["rejected_completion_id"]
        assert ranks[worse] - ranks[better] == row["margin"]
        assert row["chosen"] == Completion.objects.get(pk=better).text
        assert row["chosen_policy"] == "secret-model"


def test_imported_rows_leave_with_their_own_ids(db: None, tmp_path: Path) -> None:
    path = tmp_path / "theirs.jsonl"
    row = {"prompt": "Why?", "chosen": "So.", "rejected": "Well.", "row_id": "-7", "topic": "sky"}
    path.write_text(json.dumps(row))
    run(path, "--set", "theirs", "--licence", "MIT", "--split", "train")
    left = json.loads(_export("pairs", "whole", tmp_path / "out.jsonl"))
    assert (left["row_id"], left["set"], left["licence"]) == ("-7", "theirs", "MIT")
    assert (left["topic"], left["chosen_shown"]) == ("sky", None)
    before = _export("pairs", "whole", tmp_path / "out.csv")
    _empty()
    assert run(tmp_path / "out.csv")["imported"]
    assert _export("pairs", "whole", tmp_path / "again.csv") == before
    assert LabelSet.objects.filter(name="theirs", licence="MIT").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"group": "friends"}, "group must be one of training, held_out"),
        ({"seeds": ["a", "b", "c", "d"]}, "seeds must be a list of numbers"),
        ({"shown": [1]}, "shown must say something of each of the 4 completions"),
        ({"round": 2**63}, "round is too large a number"),
        ({"licence": {}}, "licence must be a text"),
    ],
)
def test_what_an_export_cannot_have_said_is_named(
    change: dict[str, Any], reason: str, labels: None, tmp_path: Path
) -> None:
    path = tmp_path / "rankings.jsonl"
    row = json.loads(_export("rankings", "whole", path).splitlines()[0])
    path.write_text(json.dumps(row | change))
    _empty()
    said = run(path)
    assert not said["imported"]
    assert reason in json.dumps(said["rejects"])


def test_a_held_out_label_comes_back_held_out(labels: None, tmp_path: Path) -> None:
    _export("evaluations", "whole", tmp_path / "out.jsonl")
    _empty()
    run(tmp_path / "out.jsonl")
    assert set(Ranking.objects.values_list("group", flat=True)) == {"training", "held_out"}
