"""Which labels a round takes: every filter in the file and in the counts, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models import Q

from accounts.models import User
from core.problems import Problem
from labeling import label_filters
from labeling.exports.tally import count_comparisons
from labeling.label_filters import LabelFilter
from labeling.models import Demonstration, Guideline, Prompt, RankedCompletion, Ranking
from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer.algorithms.config import ConfigError
from trainer.data.snapshots import count_labels, label_tally, rows
from trainer.rounds.recipes import preset_recipe
from trainer.rounds.start import start_round
from trainer.rounds.start_form import start_form
from trainer.rounds.steps import freeze_labels

pytestmark = pytest.mark.django_db


@pytest.fixture
def mixed(labels: Labels, ben: User, held_out: User) -> Labels:
    """Labels of two days, two guidelines, two use cases, three labelers and two policies."""
    other = ModelVersion.objects.create(name="other", kind="policy", checkpoint="other")
    for version in (1, 2):
        for kind in ("ranking", "demonstration"):
            Guideline.objects.create(kind=kind, version=version, text="Be kind.")
    for number in range(6):
        labels.demonstration(labeler=ben if number % 2 else None)
        labels.ranking(labeler=ben if number % 3 else None)
    for split in ("train", "validation", "test"):
        labels.ranking(split, labeler=held_out)
        labels.demonstration(split)
    for kind in (Ranking, Demonstration):
        for number, label in enumerate(kind.objects.order_by("pk")):
            guideline = Guideline.objects.get(
                kind=kind.__name__.lower(), version=1 + (number % 4 == 0)
            )
            moment = datetime(2026, 1, 1 + number, 12, tzinfo=UTC)
            kind.objects.filter(pk=label.pk).update(guideline=guideline, created_at=moment)
            use_case = "chat" if number % 2 else "rewrite"
            Prompt.objects.filter(pk=label.prompt_id).update(use_case=use_case)
            if number < 2:
                label.task.policy = other
                label.task.save()
    Prompt.objects.create(
        messages=[{"role": "user", "content": "x"}],
        kind="few_shot",
        instruction="Rhyme.",
        examples=[{"input": "cat", "output": "hat"}, {"input": "dog", "output": "fog"}],
        source="labeler",
        split="train",
        use_case="rewrite",
        fingerprint="few",
    )
    return labels


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"since": "2026-01-03", "until": "2026-01-04"},
        {"until": "2026-01-04T12:00:00Z"},
        {"use_cases": ["chat"]},
        {"groups": ["held_out"]},
        {"groups": ["training"]},
        {"policies": ["other"]},
        {"ranking_guidelines": [2]},
        {"demonstration_guidelines": [1]},
        {"agreement": 0.5, "use_cases": ["rewrite"]},
    ],
)
def test_counting_finds_what_reading_finds(mixed: Labels, filters: Mapping[str, Any]) -> None:
    read = Counter((row["type"], row["split"], row.get("labeler", "")) for row in rows(filters))
    counted: Counter[tuple[str, str, str]] = Counter()
    for one in label_tally(filters):
        counted[one.kind, one.split, one.labeler] += one.count
    assert +counted == read
    told = count_labels(filters)
    assert told["rankings"] == sum(
        n for (k, s, _), n in read.items() if (k, s) == ("ranking", "train")
    )
    pairs = sum(
        sum(a < b for a in row["ranks"] for b in row["ranks"])
        for row in rows(filters)
        if row["type"] == "ranking" and row["split"] == "train"
    )
    assert count_comparisons(filters) == pairs


def test_a_day_given_as_the_end_is_still_in(mixed: Labels) -> None:
    assert count_labels({"since": "2026-01-03", "until": "2026-01-04"})["rankings"] == 2
    assert count_labels({"until": "2026-01-04T11:59:00Z"})["rankings"] == 3


def test_rankings_whose_labelers_disagree_are_left_out(labels: Labels, ben: User) -> None:
    lonely, disputed, agreed = (labels.ranking(ranks=(1, 2, 3, 4)) for _ in range(3))
    for first, ranks in ((disputed, (4, 3, 2, 1)), (agreed, (1, 2, 4, 3))):
        second = Ranking.objects.create(task=first.task, prompt=first.prompt, labeler=ben)
        for place, rank in zip(first.ranked.order_by("completion"), ranks, strict=True):
            RankedCompletion.objects.create(
                ranking=second, completion=place.completion, rank=rank, overall=4
            )
    kept = {row["id"] for row in rows({"agreement": 0.8}) if row["type"] == "ranking"}
    assert {str(lonely.pk), str(agreed.pk)} <= kept
    assert str(disputed.pk) not in kept
    assert count_labels({"agreement": 0.8})["rankings"] == 3
    assert count_labels({"agreement": 0.9})["rankings"] == 1


def test_the_round_keeps_its_filters_and_freezes_by_them(mixed: Labels) -> None:
    mixed.enough()
    Guideline.objects.create(kind="ranking", version=3, text="Be kinder.")
    Ranking.objects.filter(guideline=None).update(guideline=Guideline.objects.get(version=3))
    round = start_round(preset="tiny", recipe={"labels": {"ranking_guidelines": [3], "since": ""}})
    assert round.recipe["labels"] == {"ranking_guidelines": [3]}
    freeze_labels(round=round)
    round.refresh_from_db()
    assert round.snapshot is not None
    assert round.snapshot.counts["ranking"] == {"train": 8, "validation": 4}
    assert round.snapshot.filters == {"ranking_guidelines": [3]}


def test_too_few_chosen_labels_are_refused(mixed: Labels) -> None:
    mixed.enough()
    with pytest.raises(Problem) as caught:
        start_round(preset="tiny", recipe={"labels": {"ranking_guidelines": [7]}})
    assert caught.value.errors == {
        "rankings": ["0 there, 8 needed"],
    }


def test_a_policy_nobody_knows_is_refused_by_its_name(labels: Labels) -> None:
    labels.enough()
    with pytest.raises(Problem) as caught:
        start_round(preset="tiny", recipe={"labels": {"policies": ["nobody"]}})
    assert caught.value.errors == {"labels.policies": ["There is no model version nobody."]}


def test_every_wrong_filter_is_named() -> None:
    wrong = {
        "since": "yesterday",
        "until": 3,
        "use_cases": "chat",
        "groups": ["friends"],
        "ranking_guidelines": ["v2"],
        "agreement": 1.5,
        "colour": "red",
    }
    assert refused(wrong).keys() == {f"labels.{name}" for name in wrong}
    assert refused({"since": "2026-02-01", "until": "2026-01-31"}) == {
        "labels.until": "lies before since"
    }
    assert refused(["since"]) == {"labels": "must hold filters by name"}
    nothing = {"since": "", "policies": [], "agreement": 0}
    assert preset_recipe("tiny", {"labels": nothing}).labels == {}


def refused(labels: Any) -> Mapping[str, str]:
    """What a recipe says of these filters."""
    with pytest.raises(ConfigError) as caught:
        preset_recipe("tiny", {"labels": labels})
    return caught.value.errors


def test_a_filter_that_is_added_to_the_list_is_checked_applied_and_shown(
    mixed: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = LabelFilter(
        "labelers",
        "Labelers",
        "boxes",
        lambda value: "" if value != ["?"] else "must be names",
        lambda value: Q(labeler__username__in=value),
        (Ranking,),
        lambda: [("ben", "Ben")],
    )
    monkeypatch.setitem(label_filters.FILTERS, "labelers", toy)
    assert refused({"labelers": ["?"]}) == {"labels.labelers": "must be names"}
    recipe = preset_recipe("tiny", {"labels": {"labelers": ["ben"]}})
    assert count_labels(recipe.labels)["rankings"] == 4
    field = start_form({"preset": "tiny"}).filters[-1]
    assert (field.filter, field.options) == (toy, [("ben", "Ben", False)])
