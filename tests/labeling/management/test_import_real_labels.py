"""Public data as it is published: what comes in, and what is bad in it by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labeling.models import LabelOrigin, Ranking
from tests.labeling.management.importing import run
from tests.shared_data import rows

pytestmark = pytest.mark.django_db

SOME = 60


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("oasst_trees/ranked", "rankings", ()),
        ("oasst_trees/demonstrations", "demonstrations", ()),
        ("hh_harmless/pairs", "rankings", ()),
        ("llmbar/pairs", "rankings", ()),
        ("hhh_alignment/pairs", "rankings", ()),
        ("qa_feedback_k4/ranked", "rankings", ("--column", "ranks=copeland_ranks")),
    ],
)
def test_it_comes_in(name: str, kind: str, options: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "real.jsonl"
    some = rows(name)[:SOME]
    path.write_text("".join(json.dumps(row) + "\n" for row in some))
    said = run(path, "--set", name, "--licence", "as published", "--skip-invalid", *options)
    assert said[kind] + len(said["rejects"]) == len(some)
    reasons = {one["reason"] for one in said["rejects"]}
    assert len(reasons) <= 1 and len(said["rejects"]) < 5, said["rejects"]
    assert LabelOrigin.objects.exclude(row="").count() == said[kind]


def test_whole_trees_give_a_ranking_of_each_question(tmp_path: Path) -> None:
    path = tmp_path / "trees.jsonl"
    trees = rows("oasst_trees/trees")[:8]
    path.write_text("".join(json.dumps(tree) + "\n" for tree in trees))
    said = run(path)
    assert said["rejects"] == []
    assert said["rankings"] == Ranking.objects.count() > 8
    sides: dict[Any, set[str]] = {}
    for ranking in Ranking.objects.select_related("prompt", "task__origin"):
        assert ranking.task.origin
        sides.setdefault(ranking.task.origin.line, set()).add(ranking.prompt.split)
    assert all(len(side) == 1 for side in sides.values())


def test_votes_of_a_crowd_keep_their_voters(tmp_path: Path) -> None:
    texts = {row["response_id"]: row for row in rows("ukp_convarg/responses")}
    votes = [
        {
            "id": f"{pair['pair_id']}-{vote['labeler']}",
            "labeler": vote["labeler"],
            "prompt": texts[pair["a"]]["prompt"],
            "created_at": vote["submitted"],
            "chosen": texts[pair[vote["label"]]]["text"],
            "rejected": texts[pair["b" if vote["label"] == "a" else "a"]]["text"],
        }
        for pair in rows("ukp_convarg/pairs")[:SOME]
        for vote in pair["votes"]
        if vote["label"] in ("a", "b")
    ]
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(vote) + "\n" for vote in votes))
    said = run(path, "--set", "ukp", "--licence", "CC-BY 4.0")
    assert (said["rankings"], said["rejects"]) == (len(votes), [])
    labelers = {vote["labeler"] for vote in votes}
    assert set(LabelOrigin.objects.values_list("labeler", flat=True)) == labelers
