"""Evaluations by labelers: opened, served by group, closed; and prompts that are asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from core.problems import Problem
from labeling.human_evaluation import evaluations
from labeling.human_evaluation import results as told
from labeling.models import (
    Completion,
    HeadToHead,
    LabelerProfile,
    LabelingTask,
    Prompt,
    Queue,
    Slot,
)
from labeling.queues.completions import Drawn, Pick
from labeling.queues.sampling import store_completions
from labeling.queues.sampling_settings import SamplingSettings
from labeling.queues.steering import undo
from labeling.work.guidelines import publish_guideline
from models_service.engines.base import Answer
from models_service.models import ModelVersion

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


@pytest.fixture
def ladder(db: None) -> list[ModelVersion]:
    """Three versions that are never asked."""
    publish_guideline(kind="ranking", purpose="evaluation", text="Truth first.")
    return [
        ModelVersion.objects.create(name=name, kind=kind, checkpoint=name)
        for name, kind in (("base", "base"), ("supervised", "sft"), ("tuned", "policy"))
    ]


@pytest.fixture
def tests(make_prompt: Call) -> list[Prompt]:
    """Five prompts of the test split."""
    return [make_prompt(f"test {n}", split="test") for n in range(5)]


@pytest.fixture
def open_one(ladder: list[ModelVersion], tests: list[Prompt]) -> Call:
    """Opens an evaluation of the ladder on four prompts."""

    def opened(**changes: Any) -> HeadToHead:
        wanted = {"ladder": ladder, "baseline": ladder[1], "prompts": 4, **changes}
        return evaluations.open_head_to_head(**wanted)

    return opened


def answer_all(contest: HeadToHead) -> None:
    """What a sampling worker does, without a model."""
    versions = ModelVersion.objects.in_bulk(contest.ladder)
    for task in contest.tasks.filter(state="sampling"):
        picks = [
            Pick(versions[int(pk)], Answer(versions[int(pk)].name, "stop", 3, 5, -2.0, 1), 1)
            for pk in task.mixture
        ]
        assert store_completions(task=task, drawn=Drawn(SamplingSettings(8, 1.0), picks))


def test_a_task_for_each_prompt_and_pair(open_one: Call, ladder: list[ModelVersion]) -> None:
    contest = open_one()
    base, supervised, tuned = (str(version.pk) for version in ladder)
    met = Counter(frozenset(task.mixture) for task in contest.tasks.all())
    assert met == {frozenset({base, supervised}): 4, frozenset({supervised, tuned}): 4}
    assert set(contest.tasks.values_list("purpose", "state", "completions_wanted")) == {
        ("evaluation", "sampling", 2)
    }
    assert open_one(pairs="all").tasks.count() == 12


def test_two_evaluations_ask_the_same_prompts(open_one: Call) -> None:
    asked = [set(open_one(prompts=2).tasks.values_list("prompt", flat=True)) for _ in range(2)]
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompts": 6}, "prompts"),
        ({"prompts": 0}, "prompts"),
        ({"split": "train"}, "split"),
        ({"labels_training": 0}, "labels_training"),
        ({"labels_held_out": 1}, "labels_held_out"),
        ({"pairs": "some"}, "pairs"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    open_one: Call, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Problem) as caught:
        open_one(**changes)
    assert list(caught.value.errors or {}) == [field]
    assert not LabelingTask.objects.exists()


def test_impossible_ladders_are_refused(open_one: Call, ladder: list[ModelVersion]) -> None:
    judge = ModelVersion.objects.create(name="judge", kind="reward", checkpoint="judge")
    for wrong in (ladder[1:2], [*ladder, ladder[0]], [*ladder, judge]):
        with pytest.raises(Problem) as caught:
            open_one(ladder=wrong)
        assert "ladder" in (caught.value.errors or {})
    with pytest.raises(Problem, match="baseline"):
        open_one(ladder=[ladder[0], ladder[2]])


def test_each_group_fills_its_own_slots(
    open_one: Call, ada: User, ben: User, claim: Call, api: Call, ranking_of: Call
) -> None:
    LabelerProfile.objects.create(user=ben, group="held_out")
    contest = open_one(labels_training=1, labels_held_out=1, prompts=1, pairs="baseline")
    answer_all(contest)
    assert Counter(Slot.objects.values_list("group", flat=True)) == {"training": 2, "held_out": 2}
    assert told.progress(contest) == told.Progress(labels=4, given=0, sampling=0, broken=0)
    for person in (ada, ada, ben, ben):
        assignment = claim(person)
        assert assignment["purpose"] == "evaluation"
        assert len(assignment["completions"]) == 2
        url = f"assignments/{assignment['id']}/submit/"
        assert api(person, url, ranking_of(assignment)).status_code == 200
    assert api(ada, "assignments/claim/", {"kinds": ["ranking"]}).status_code == 204
    rows = told.judged(contest)
    assert Counter(row.group for row in rows) == {"training": 4, "held_out": 4}
    assert {(row.rank, row.overall, row.tokens) for row in rows} == {(1, 4, 5)}
    assert told.progress(contest).done
    Prompt.objects.filter(pk=rows[0].prompt).update(state="quarantined")
    assert told.judged(contest) == []


def test_closing_keeps_what_was_said(
    open_one: Call, ada: User, claim: Call, api: Call, ranking_of: Call
) -> None:
    contest = open_one()
    answer_all(contest)
    done, held = claim(ada), None
    api(ada, f"assignments/{done['id']}/submit/", ranking_of(done))
    held = claim(ada)
    assert evaluations.close_head_to_head(contest)
    assert not evaluations.close_head_to_head(contest)
    assert Counter(Slot.objects.values_list("state", flat=True)) == {
        "filled": 1,
        "held": 1,
        "closed": 6,
    }
    assert Counter(contest.tasks.values_list("state", flat=True)) == {"open": 2, "expired": 6}
    answer = api(ada, f"assignments/{held['id']}/submit/", ranking_of(held))
    assert answer.status_code == 200
    assert Completion.objects.count() == 16


def test_doubtful_prompts_come_first_again(make_prompt: Call, make_task: Call, rosa: User) -> None:
    Queue.objects.create(kind="ranking", purpose="training", completions=5)
    waiting = make_task("ranking").prompt
    fresh, unseen = make_prompt("Once more?"), make_prompt("Never?", split="test")
    ids = [waiting.pk, fresh.pk, unseen.pk]
    change = evaluations.ask_again(prompts=ids, by=rosa)
    assert (change.count, evaluations.ask_again(prompts=ids, by=rosa).count) == (2, 2)
    assert set(Slot.objects.values_list("priority", flat=True)) == {evaluations.URGENT}
    new = LabelingTask.objects.get(prompt=fresh)
    assert (new.purpose, new.state, new.completions_wanted) == ("training", "sampling", 5)
    assert not LabelingTask.objects.filter(prompt=unseen).exists()
    assert waiting.tasks.count() == 1
    assert set(Prompt.objects.values_list("priority", flat=True)) == {0, evaluations.URGENT}

    assert undo(change=change, by=rosa) == 2
    assert set(Prompt.objects.values_list("priority", flat=True)) == {0}
    assert set(Slot.objects.values_list("priority", flat=True)) == {0}
    new.refresh_from_db()
    assert new.state == "expired"
    assert waiting.tasks.get().state == "open"
