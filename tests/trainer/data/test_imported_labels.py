"""Labels that were made elsewhere: frozen, chosen by origin, told by lineage and card, erased."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from labeling import label_filters
from labeling.exports.tally import tally
from labeling.models import Demonstration, LabelOrigin, Prompt, RankedCompletion, Ranking
from labeling.people.agreement_reads import agreement_of_all
from models_service.models import ModelVersion
from tests.labeling.management.importing import run
from trainer.data import erasure, lineage, snapshots
from trainer.data.model_card import model_card
from trainer.models import DatasetSnapshot, TrainingRound, TrainingRun

pytestmark = pytest.mark.django_db
WET = {"chosen": "Yes.", "rejected": "No.", "labeler": "w1"}


@pytest.fixture
def imported(tmp_path: Path) -> None:
    """Two pairs of the set hh, one demonstration of the set talks, all of them to train on."""
    for name, licence, rows in (
        (
            "hh",
            "MIT",
            [{**WET, "prompt": "Is it wet?"}, {**WET, "prompt": "Still?", "author": "m"}],
        ),
        ("talks", "CC0", [{"prompt": "Is it dry?", "output": "It is.", "worker": "w1"}]),
    ):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        said = run(path, "--set", name, "--licence", licence, "--split", "train")
        assert said["imported"], said


def lines(snapshot: DatasetSnapshot) -> list[tuple[str, str]]:
    rows = map(json.loads, snapshot.path.read_text().splitlines())
    return [(row["type"], row.get("labeler", "")) for row in rows]


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        (None, {("ranking", "hh/w1"): 2, ("demonstration", "talks/w1"): 1, ("prompt", ""): 3}),
        (
            ["imported"],
            {("ranking", "hh/w1"): 2, ("demonstration", "talks/w1"): 1, ("prompt", ""): 3},
        ),
        (["hh"], {("ranking", "hh/w1"): 2, ("prompt", ""): 2}),
        (["here"], {}),
    ],
)
def test_a_snapshot_takes_them_by_origin(origins: Any, expected: dict[Any, int]) -> None:
    filters, errors = label_filters.clean({"origins": origins})
    assert not errors
    found = lines(snapshots.freeze(filters=filters))
    assert {one: found.count(one) for one in found} == expected
    counted = {(one.kind, one.labeler): one.count for one in tally(filters)}
    assert counted == expected


@pytest.mark.usefixtures("imported")
def test_they_are_no_work_of_anybody_here() -> None:
    assert agreement_of_all().tasks == []
    assert not Ranking.objects.exclude(labeler=None).exists()


@pytest.fixture
def learned(imported: None) -> ModelVersion:
    """A reward model that learned from them."""
    base = ModelVersion.objects.create(name="base", kind="base", checkpoint="nowhere")
    version = ModelVersion.objects.create(
        name="judge", kind="reward", checkpoint="reward-1", parent=base
    )
    round = TrainingRound.objects.create(
        preset="tiny",
        recipe={"stages": ["reward"]},
        seed=1,
        start=base,
        state="finished",
        snapshot=snapshots.freeze(),
    )
    TrainingRun.objects.create(
        round=round,
        stage="reward",
        state="finished",
        seed=1,
        config={"settings": {}},
        output=version,
    )
    return version


def test_lineage_and_card_name_sets_and_licences(learned: ModelVersion) -> None:
    tree = lineage.of_version(learned)
    assert tree["sets"] == [
        {"name": "hh", "licence": "MIT", "count": 2},
        {"name": "talks", "licence": "CC0", "count": 1},
    ]
    assert {row["labeler"] for row in tree["labelers"]} == {"hh/w1", "talks/w1"}
    assert tree["completions"] == [{"name": "unnamed", "count": 4}]
    card = model_card(learned)
    assert "| hh | MIT | 2 |" in card
    assert "| talks | CC0 | 1 |" in card
    ranking = Ranking.objects.order_by("pk")[0]
    told = lineage.of_label("ranking", ranking)
    assert told["label"]["labeler"] == "hh/w1"
    assert told["label"]["origin"]["licence"] == "MIT"
    assert [one["name"] for one in told["checkpoints"]] == ["judge"]


def test_a_labeler_of_a_set_is_erased(learned: ModelVersion) -> None:
    _, traces = erasure.erase(person="hh/w1")
    assert traces and len(traces.held.rankings) == 2
    assert not LabelOrigin.objects.filter(of__name="hh").exclude(labeler="").exists()
    assert Ranking.objects.filter(excluded_at=None).count() == 0
    assert Demonstration.objects.get().text == "It is."
    learned.refresh_from_db()
    assert learned.learned_from_erased_at
    assert not DatasetSnapshot.objects.get().path.exists()


@pytest.mark.usefixtures("imported")
def test_an_author_of_a_set_is_erased() -> None:
    erasure.erase(person="hh/m")
    [gone] = Prompt.objects.filter(state="withdrawn")
    assert gone.author == ""
    answers = RankedCompletion.objects.filter(ranking__prompt=gone)
    assert set(answers.values_list("completion__text", flat=True)) == {""}
    assert LabelOrigin.objects.filter(labeler="w1").count() == 2


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("kind", ["ranking", "demonstration"])
def test_its_page_says_where_it_is_from(
    kind: str, olga: User, client_of: Callable[[User], Client]
) -> None:
    table: Any = Ranking if kind == "ranking" else Demonstration
    label = table.objects.order_by("pk")[0]
    client = client_of(olga)
    page = client.get(f"/admin/labeling/{kind}/{label.pk}/change/").content.decode()
    assert ("hh (MIT)" if kind == "ranking" else "talks (CC0)") in page
    assert client.get(f"/admin/labeling/{kind}/").status_code == 200
    for table_name in ("labelingtask", "completion", "prompt", "assignment"):
        assert client.get(f"/admin/labeling/{table_name}/").status_code in (200, 404)
    page = client.get(f"/admin/labeling/labelingtask/{label.task_id}/change/")
    assert page.status_code == 200
