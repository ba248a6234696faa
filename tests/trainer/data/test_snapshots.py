"""Snapshots: what is in them, what never is, and that they never change."""

from __future__ import annotations

import hashlib
import json

import pytest

from accounts.models import User
from tests.trainer.conftest import Labels
from trainer.data.snapshots import count_labels, freeze
from trainer.models import DatasetSnapshot, SnapshotLabel

pytestmark = pytest.mark.django_db


def lines(snapshot: DatasetSnapshot) -> list[dict[str, object]]:
    return [json.loads(line) for line in snapshot.path.read_text().splitlines()]


def test_it_holds_labels_and_prompts_in_the_agreed_format(labels: Labels) -> None:
    demonstration = labels.demonstration(text="Seven.")
    ranking = labels.ranking(ranks=(2, 1, 1, 3))
    rows = lines(freeze())
    written = next(row for row in rows if row["type"] == "demonstration")
    assert written == {
        "type": "demonstration",
        "id": str(demonstration.pk),
        "split": "train",
        "messages": demonstration.prompt.messages,
        "response": "Seven.",
        "labeler": str(labels.labeler.pseudonym),
        "group": "training",
    }
    ranked = next(row for row in rows if row["type"] == "ranking")
    assert ranked["id"] == str(ranking.pk)
    assert ranked["ranks"] == [2, 1, 1, 3]
    assert ranked["completions"] == ["yes yes ", "yes yes yes ", "yes yes yes ", "yes "]
    assert ranked["finished"] == [True, False, True, False]
    assert {row["type"] for row in rows} == {"demonstration", "ranking", "prompt"}


def test_the_row_describes_the_file(labels: Labels) -> None:
    labels.demonstration()
    labels.ranking("validation")
    snapshot = freeze()
    content = snapshot.path.read_bytes()
    assert snapshot.sha256 == hashlib.sha256(content).hexdigest()
    assert snapshot.counts["demonstration"] == {"train": 1}
    assert snapshot.counts["ranking"] == {"validation": 1}
    assert SnapshotLabel.objects.filter(snapshot=snapshot).count() == 2


def test_held_out_labelers_and_the_test_split_never_reach_training(
    labels: Labels, held_out: User
) -> None:
    labels.ranking()
    for split in ("train", "validation", "test"):
        labels.ranking(split, labeler=held_out)
        labels.demonstration(split, labeler=held_out)
    labels.ranking("test")
    labels.demonstration("test")
    labels.prompt("test")
    rows = lines(freeze())
    assert "test" not in {row["split"] for row in rows}
    of_held_out = [row for row in rows if row.get("group") == "held_out"]
    assert {row["split"] for row in of_held_out} == {"validation"}
    assert len([row for row in rows if row["type"] == "ranking" and row["split"] == "train"]) == 1


def test_excluded_labels_are_left_out(labels: Labels) -> None:
    from django.utils import timezone

    ranking = labels.ranking()
    type(ranking).objects.filter(pk=ranking.pk).update(excluded_at=timezone.now())
    assert count_labels()["rankings"] == 0


def test_the_same_labels_are_the_same_snapshot_and_new_ones_another(labels: Labels) -> None:
    labels.demonstration()
    first = freeze()
    content = first.path.read_bytes()
    assert freeze() == first
    labels.demonstration()
    second = freeze()
    assert second != first
    assert first.path.read_bytes() == content


def test_a_snapshot_is_read_only_and_nothing_half_written_stays(labels: Labels) -> None:
    labels.demonstration()
    snapshot = freeze()
    assert snapshot.path.stat().st_mode & 0o222 == 0
    assert not list(snapshot.path.parent.glob(".*.new"))
