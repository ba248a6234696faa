"""A label keeps the group of its labeler at the time, whatever becomes of the labeler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from core.problems import Problem
from labeling.exports.tally import count_comparisons
from labeling.exports.training_rows import training_rankings
from labeling.models import LabelerProfile, LabelingTask, Ranking
from labeling.people.labelers import change_group


def _ranked(
    api: Callable[..., Any],
    claim: Callable[..., dict[str, Any]],
    ranking_of: Callable[..., dict[str, Any]],
    labeler: User,
) -> Ranking:
    held = claim(labeler)
    assert api(labeler, f"assignments/{held['id']}/submit/", ranking_of(held)).status_code == 200
    return Ranking.objects.latest("pk")


def test_whoever_trained_models_is_never_held_out(
    api: Callable[..., Any],
    ada: User,
    make_task: Callable[..., LabelingTask],
    claim: Callable[..., dict[str, Any]],
    ranking_of: Callable[..., dict[str, Any]],
) -> None:
    make_task(split="train")
    ranking = _ranked(api, claim, ranking_of, ada)
    assert ranking.group == "training"
    with pytest.raises(Problem, match=r"ada gave 1 label in the training group.*somebody new"):
        change_group(labeler=ada, group="held_out")
    assert not LabelerProfile.objects.filter(user=ada, group="held_out").exists()


def test_held_out_labels_stay_held_out_when_their_labeler_joins_the_training(
    api: Callable[..., Any],
    ada: User,
    make_task: Callable[..., LabelingTask],
    claim: Callable[..., dict[str, Any]],
    ranking_of: Callable[..., dict[str, Any]],
) -> None:
    change_group(labeler=ada, group="held_out")
    make_task(split="validation")
    before = _ranked(api, claim, ranking_of, ada)
    change_group(labeler=ada, group="training")
    make_task(split="train")
    after = _ranked(api, claim, ranking_of, ada)
    assert (before.group, after.group) == ("held_out", "training")
    groups = {row["id"]: row["group"] for row in training_rankings({})}
    assert groups == {str(before.pk): "held_out", str(after.pk): "training"}
    assert [row["id"] for row in training_rankings({"groups": ["held_out"]})] == [str(before.pk)]


def test_a_flip_past_the_service_moves_no_label(
    api: Callable[..., Any],
    ada: User,
    make_task: Callable[..., LabelingTask],
    claim: Callable[..., dict[str, Any]],
    ranking_of: Callable[..., dict[str, Any]],
) -> None:
    make_task(split="train")
    _ranked(api, claim, ranking_of, ada)
    comparisons = count_comparisons()
    LabelerProfile.objects.update_or_create(user=ada, defaults={"group": "held_out"})
    assert count_comparisons() == comparisons > 0


def test_the_page_says_why_a_labeler_cannot_be_held_out(
    client: Client,
    olga: User,
    api: Callable[..., Any],
    ada: User,
    make_task: Callable[..., LabelingTask],
    claim: Callable[..., dict[str, Any]],
    ranking_of: Callable[..., dict[str, Any]],
) -> None:
    make_task(split="train")
    _ranked(api, claim, ranking_of, ada)
    profile = LabelerProfile.objects.get_or_create(user=ada)[0]
    client.force_login(olga)
    path = f"/admin/labeling/labelerprofile/{profile.pk}/change/"
    body = {"user": ada.pk, "group": "held_out", "declined_topics": "[]"}
    answer = client.post(path, body)
    assert "ada gave 1 label in the training group" in answer.content.decode()
    profile.refresh_from_db()
    assert profile.group == "training"
