"""A promoted policy takes the queue over while labelers work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from labeling.models import Assignment, LabelingTask, Queue, Ranking
from labeling.queues import queues, sampling
from models_service.models import Promotion
from models_service.services import adopt_base, promote, register_prompted

Call = Callable[..., Any]


@pytest.fixture
def labels_wanted(make_prompt: Call, settings: Any) -> None:
    """Four prompts and a queue that keeps three rankings ready."""
    settings.LABELING = settings.LABELING | {"max_new_tokens": 6}
    for n in range(4):
        make_prompt(f"Say {n}")
    Queue.objects.create(kind="ranking", purpose="training", ready=3)


def policies_of(tasks: Any) -> set[str]:
    return set(tasks.values_list("policy__name", flat=True))


def test_work_in_hand_is_kept_and_the_rest_comes_from_the_new_policy(
    ada: User, ben: User, labels_wanted: None, claim: Call, api: Call, ranking_of: Call
) -> None:
    first = adopt_base("tiny")
    queues.refill()
    sampling.sample_waiting()
    held = claim(ada)

    second = register_prompted(name="second", version=first, prefix="Answer briefly.")
    promote(role=Promotion.Role.POLICY, version=second)
    queues.refill()
    sampling.sample_waiting()

    opened = LabelingTask.objects.filter(state="open")
    assert policies_of(opened.exclude(assignments__labeler=ada)) == {"second"}
    assert LabelingTask.objects.filter(state="expired").count() == 2
    assert opened.exclude(assignments__labeler=ada).count() == 3

    response = api(ada, f"assignments/{held['id']}/submit/", ranking_of(held))
    assert response.status_code == 200
    assert Ranking.objects.get().task.policy == first
    mine = Assignment.objects.get(pk=claim(ben)["id"])
    assert mine.task.policy == second


def test_never_more_than_the_wanted_tasks_lie_ahead(labels_wanted: None, make_prompt: Call) -> None:
    adopt_base("tiny")
    for n in range(20):
        make_prompt(f"Also say {n}")
    for _ in range(3):
        queues.refill()
        sampling.sample_waiting()
        assert LabelingTask.objects.exclude(state="expired").count() == 3
