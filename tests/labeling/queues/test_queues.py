"""Keeping tasks ready."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from labeling.models import LabelingTask, Prompt, Queue, Slot
from labeling.queues import queues
from labeling.queues.queue_reads import next_drawn
from models_service.models import ModelVersion, Promotion

Call = Callable[..., Any]


@pytest.fixture
def prompts(make_prompt: Call) -> None:
    """Ten of each split."""
    for split in ("train", "validation", "test"):
        for n in range(10):
            make_prompt(f"{split} {n}", split=split)


@pytest.fixture
def policy(version: ModelVersion) -> ModelVersion:
    """The promoted policy, which is never asked here."""
    Promotion.objects.create(role="policy", version=version)
    return version


def _queue(kind: str = "ranking", purpose: str = "training", **fields: Any) -> Queue:
    return Queue.objects.create(kind=kind, purpose=purpose, **fields)


def test_it_keeps_the_wanted_number_ready(prompts: None) -> None:
    _queue("demonstration", ready=12)
    for _ in range(2):
        assert queues.refill() == []
    splits = Counter(LabelingTask.objects.values_list("prompt__split", flat=True))
    assert splits == {"train": 10, "validation": 2}
    assert Slot.objects.filter(state="free").count() == 12


def test_it_returns_the_ranking_tasks_to_sample(prompts: None, policy: ModelVersion) -> None:
    _queue(ready=6, completions=9)
    waiting = queues.refill()
    assert len(waiting) == 6
    assert set(LabelingTask.objects.values_list("state", "completions_wanted")) == {("sampling", 9)}
    assert queues.refill() == waiting


@pytest.mark.parametrize("purpose", ["evaluation", "screening"])
def test_no_queue_draws_from_the_test_split(prompts: None, purpose: str) -> None:
    queue = _queue("demonstration", purpose, ready=4)
    assert {one.prompt.split for one in next_drawn(queue, None)} == {"validation"}
    queues.refill()
    drawn = Counter(LabelingTask.objects.values_list("prompt__split", flat=True))
    assert drawn == {"validation": 4}


def test_prompts_to_be_written_for_an_evaluation_are_not_opened_without_end(db: None) -> None:
    _queue("prompt_writing", "evaluation", ready=2)
    for _ in range(3):
        queues.refill()
    assert LabelingTask.objects.count() == 2


def test_a_paused_queue_stays_as_it_is(prompts: None) -> None:
    _queue("demonstration", paused=True)
    queues.refill()
    assert not LabelingTask.objects.exists()


def test_it_makes_prompt_writing_tasks_for_a_use_case(db: None) -> None:
    _queue("prompt_writing", ready=2)
    queues.refill()
    assert all(task.brief["use_case"] for task in LabelingTask.objects.all())
    assert LabelingTask.objects.filter(state="open").count() == 2


def test_it_replaces_what_somebody_took(ada: User, prompts: None, claim: Call) -> None:
    _queue("demonstration", ready=3)
    queues.refill()
    claim(ada, "demonstration")
    queues.refill()
    assert Slot.objects.filter(state="free").count() == 3


def test_a_demonstration_is_asked_for_once_a_prompt(make_prompt: Call) -> None:
    make_prompt("only one")
    _queue("demonstration", ready=5)
    queues.refill()
    Slot.objects.update(state="closed")
    queues.refill()
    assert LabelingTask.objects.count() == 1


def test_rankings_start_over_when_every_prompt_was_asked(
    ada: User, policy: ModelVersion, make_prompt: Call
) -> None:
    prompt = make_prompt("only one")
    _queue(ready=3)
    queues.refill()
    assert LabelingTask.objects.count() == 1
    LabelingTask.objects.update(state="open", policy=policy)
    queues.refill()
    assert LabelingTask.objects.filter(prompt=prompt).count() == 2


def test_duplicates_and_withdrawn_prompts_are_left_out(make_prompt: Call) -> None:
    make_prompt("gone")
    Prompt.objects.update(state="withdrawn")
    _queue("demonstration")
    queues.refill()
    assert not LabelingTask.objects.exists()


def test_a_new_policy_expires_what_nobody_labeled(
    ada: User, make_task: Call, claim: Call, policy: ModelVersion
) -> None:
    held, waiting = make_task(), make_task()
    Queue.objects.create(kind="ranking", purpose="training", ready=0)
    assert claim(ada)["prompt"]["id"] == held.prompt_id
    newer = ModelVersion.objects.create(name="newer", kind="policy", checkpoint="elsewhere")
    Promotion.objects.create(role="policy", version=newer)
    queues.refill()
    held.refresh_from_db(), waiting.refresh_from_db()
    assert (held.state, waiting.state) == ("open", "expired")
    assert waiting.slots.get().state == "closed"


def test_a_new_policy_answers_the_same_prompts_anew(make_task: Call, policy: ModelVersion) -> None:
    task = make_task()
    newer = ModelVersion.objects.create(name="newer", kind="policy", checkpoint="elsewhere")
    Promotion.objects.create(role="policy", version=newer)
    Queue.objects.create(kind="ranking", purpose="training", ready=1)
    [waiting] = queues.refill()
    assert LabelingTask.objects.get(pk=waiting).prompt == task.prompt


def test_a_late_submit_on_an_expired_task_is_refused(
    ada: User,
    make_task: Call,
    claim: Call,
    api: Call,
    ranking_of: Call,
    run_out: Call,
    policy: ModelVersion,
) -> None:
    from labeling.work.leases import expire_leases

    make_task()
    held = claim(ada)
    run_out(held["id"])
    expire_leases()
    assert queues.retire_policy_tasks(policy) == 1
    response = api(ada, f"assignments/{held['id']}/submit/", ranking_of(held))
    assert (response.status_code, Slot.objects.get().state) == (409, "closed")
