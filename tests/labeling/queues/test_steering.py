"""Steering the queues: every control shown by what the next claim gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, User
from core.problems import Problem
from labeling.models import BulkChange, LabelingTask, Prompt, Queue, Slot
from labeling.queues import queues, steering
from labeling.queues.next_prompts import next_prompts
from labeling.queues.queue_reads import depth, labeled_per_hour, next_drawn, next_slots, shares

Call = Callable[..., Any]


@pytest.fixture
def queue(db: None) -> Queue:
    """The queue of demonstrations for training, which draws nothing until it is told to."""
    return Queue.objects.create(kind="demonstration", purpose="training", ready=0)


@pytest.fixture
def next_of(claim: Call, api: Call) -> Call:
    """`next_of(ada)`: the text of the task the labeler gets next, which is given back at once."""

    def get(labeler: User) -> str | None:
        answer = api(labeler, "assignments/claim/", {"kinds": ["demonstration"]})
        if answer.status_code == 204:
            return None
        held = answer.json()
        api(labeler, f"assignments/{held['id']}/release/", {"reason": "looking"})
        return str(held["prompt"]["messages"][0]["content"])

    return get


def draw(queue: Queue, ready: int, **values: Any) -> None:
    Queue.objects.filter(pk=queue.pk).update(ready=ready, **values)
    queues.refill()


def asked() -> list[str]:
    tasks = LabelingTask.objects.filter(state="open").select_related("prompt")
    return sorted(task.asked.last_message for task in tasks)


def test_a_paused_queue_hands_out_nothing_and_what_is_held_is_finished(
    rosa: User,
    ada: User,
    ben: User,
    queue: Queue,
    make_task: Call,
    claim: Call,
    api: Call,
    next_of: Call,
) -> None:
    make_task("demonstration"), make_task("demonstration")
    held = claim(ada, "demonstration")
    steering.set_mode(queue=queue, mode="paused", by=rosa)
    assert next_of(ben) is None
    assert claim(ada, "demonstration")["id"] == held["id"]
    assert api(ada, f"assignments/{held['id']}/submit/", {"text": "So."}).status_code == 200
    assert next_of(ada) is None
    steering.set_mode(queue=queue, mode="running", by=rosa)
    assert next_of(ben) == "Question 2?"


def test_a_draining_queue_hands_out_what_is_open_and_draws_nothing(
    rosa: User, ada: User, queue: Queue, make_task: Call, make_prompt: Call, next_of: Call
) -> None:
    make_task("demonstration")
    make_prompt("waits")
    steering.set_mode(queue=queue, mode="draining", by=rosa)
    draw(queue, 5)
    assert [next_of(ada), next_of(ada)] == ["Question 1?", None]
    steering.set_mode(queue=queue, mode="running", by=rosa)
    queues.refill()
    assert next_of(ada) == "waits"
    with pytest.raises(Problem):
        steering.set_mode(queue=queue, mode="asleep", by=rosa)


def test_what_waits_expires_and_comes_back_when_that_is_undone(
    rosa: User, ada: User, ben: User, queue: Queue, make_task: Call, claim: Call, next_of: Call
) -> None:
    make_task("demonstration"), make_task("demonstration"), make_task()
    held = claim(ada, "demonstration")
    change = steering.expire_waiting(queue=queue, by=rosa)
    assert change.count == 1
    assert next_of(ben) is None
    assert claim(ada, "demonstration")["id"] == held["id"]
    assert steering.undo(change=change, by=rosa) == 1
    assert next_of(ben) == "Question 2?"
    with pytest.raises(Problem, match="already"):
        steering.undo(change=change, by=rosa)


def test_the_priority_of_tasks_decides_what_is_claimed_next(
    rosa: User, ada: User, queue: Queue, make_task: Call, next_of: Call
) -> None:
    first, second = make_task("demonstration"), make_task("demonstration")
    rows = LabelingTask.objects.filter(pk=second.pk)
    change = steering.prioritise_tasks(tasks=rows, priority=7, by=rosa)
    assert [slot.task_id for slot in next_slots(queue)] == [second.pk, first.pk]
    assert next_of(ada) == "Question 2?"
    steering.undo(change=change, by=rosa)
    assert set(Slot.objects.values_list("priority", flat=True)) == {0}
    second.refresh_from_db()
    assert second.priority == 0


def test_the_priority_of_prompts_decides_what_is_drawn_next(
    rosa: User, ada: User, queue: Queue, make_prompt: Call, next_of: Call
) -> None:
    for number in range(4):
        make_prompt(f"prompt {number}")
    urgent = Prompt.objects.filter(messages__0__content="prompt 2")
    change = steering.change_prompts(prompts=urgent, field="priority", value=3, by=rosa)
    draw(queue, 1)
    assert next_of(ada) == "prompt 2"
    assert LabelingTask.objects.get().priority == 3
    steering.undo(change=change, by=rosa)
    assert set(Prompt.objects.values_list("priority", flat=True)) == {0}


def test_a_withdrawn_prompt_is_neither_claimed_nor_drawn_until_that_is_undone(
    rosa: User, ada: User, queue: Queue, make_task: Call, next_of: Call
) -> None:
    make_task("demonstration")
    quarantined = make_task("demonstration").asked
    Prompt.objects.filter(pk=quarantined.pk).update(state="quarantined")
    change = steering.change_prompts(
        prompts=Prompt.objects.all(), field="state", value="withdrawn", by=rosa
    )
    assert change.count == 1
    quarantined.refresh_from_db()
    assert quarantined.state == "quarantined"
    draw(queue, 1)
    assert next_of(ada) is None
    steering.undo(change=BulkChange.objects.get(), by=rosa)
    assert next_of(ada) == "Question 1?"


def test_an_undone_change_leaves_alone_what_was_changed_since(
    rosa: User, queue: Queue, make_prompt: Call
) -> None:
    first, second = make_prompt("first"), make_prompt("second")
    everything = Prompt.objects.order_by("pk")
    change = steering.change_prompts(prompts=everything, field="use_case", value="chat", by=rosa)
    Prompt.objects.filter(pk=second.pk).update(use_case="rewrite")
    assert steering.undo(change=change, by=rosa) == 1
    assert list(everything.values_list("use_case", flat=True)) == [first.use_case, "rewrite"]
    assert AuditEntry.objects.filter(act="prompts_changed", by=rosa).count() == 2


@pytest.mark.parametrize(
    ("rule", "wins"),
    [
        ({"use_case": "chat"}, "chat"),
        ({"source": "api"}, "api"),
        ({"older_than_days": 30}, "old"),
        ({"uncertain_above": 0.5}, "uncertain"),
        ({"use_case": "chat", "source": "api"}, "by hand"),
    ],
)
def test_rules_raise_what_they_name(
    ada: User, queue: Queue, make_prompt: Call, next_of: Call, rule: dict[str, Any], wins: str
) -> None:
    ago = timezone.now() - timedelta(days=60)
    for text, values in {
        "chat": {"use_case": "chat"},
        "api": {"source": "api"},
        "old": {"created_at": ago},
        "uncertain": {"uncertainty": 0.9},
        "by hand": {"priority": 4},
    }.items():
        Prompt.objects.filter(pk=make_prompt(text).pk).update(**values)
    rules = [{**rule, "points": 5}]
    steering.check_rules(rules)
    Queue.objects.filter(pk=queue.pk).update(rules=rules)
    queue.refresh_from_db()
    first, second = next_prompts(queue, split="train", policy=None, wanted=2)
    assert first.prompt.last_message == wins
    assert first.why.startswith("priority 4" if wins == "by hand" else "+5 by the rule")
    assert second.prompt.last_message == "by hand" or wins == "by hand"
    draw(queue, 1)
    assert next_of(ada) == wins


def test_of_several_rules_the_highest_counts_and_adds_to_the_hand(
    queue: Queue, make_prompt: Call
) -> None:
    for text, values in {
        "both": {"use_case": "chat", "source": "api"},
        "raised": {"use_case": "chat", "priority": 3},
    }.items():
        Prompt.objects.filter(pk=make_prompt(text).pk).update(**values)
    queue.rules = [{"source": "api", "points": 2}, {"use_case": "chat", "points": 5}]
    found = next_prompts(queue, split="train", policy=None, wanted=2)
    assert [(one.prompt.last_message, one.priority) for one in found] == [
        ("raised", 8),
        ("both", 5),
    ]


def test_targets_decide_which_use_cases_are_drawn(queue: Queue, make_prompt: Call) -> None:
    for number in range(12):
        make_prompt(f"chat {number}", use_case="chat")
        make_prompt(f"rewrite {number}", use_case="rewrite")
    make_prompt("other")
    draw(queue, 9, targets={"chat": 3, "rewrite": 1})
    drawn = Counter(LabelingTask.objects.values_list("prompt__use_case", flat=True))
    # One in six lies in the validation lane, which has no prompts here.
    assert drawn == {"chat": 6, "rewrite": 2}
    queue.refresh_from_db()
    assert [(one.label, one.wanted) for one in shares(queue)] == [("Chat", 0.75), ("Rewrite", 0.25)]
    # What the targets cannot fill, others do.
    draw(queue, 60)
    assert "other" in asked()


def test_who_was_asked_goes_behind_who_was_not(queue: Queue, make_prompt: Call) -> None:
    for number in range(3):
        make_prompt(f"prompt {number}")
    draw(queue, 2)
    again = Queue.objects.create(kind="demonstration", purpose="screening", ready=1)
    [first] = next_prompts(again, split="train", policy=None, wanted=1)
    assert first.prompt.drawn == 0
    assert first.prompt.last_message not in asked()


def test_prompts_are_written_for_the_queue_s_targets(db: None) -> None:
    draw(
        Queue.objects.create(kind="prompt_writing", purpose="training"),
        4,
        targets={"chat": 1, "extract": 1},
    )
    briefs = Counter(task.brief["use_case"] for task in LabelingTask.objects.all())
    assert briefs == {"chat": 2, "extract": 2}


@pytest.mark.parametrize(
    "targets", [[], {"songs": 1}, {"chat": 0}, {"chat": "much"}, {"chat": True}, {"chat": 1e999}]
)
def test_impossible_targets_are_refused(targets: Any) -> None:
    with pytest.raises(Problem):
        steering.check_targets(targets)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"points": 0},
        {"points": 1.5},
        {"points": 5, "use_case": "songs"},
        3,
        {"points": 5, "colour": "red"},
        {"points": 5, "source": "post"},
        {"points": 5, "older_than_days": -1},
        {"points": 5, "uncertain_above": "very"},
    ],
)
def test_impossible_rules_are_refused(rule: Any) -> None:
    with pytest.raises(Problem):
        steering.check_rules([rule])


def test_the_page_s_figures_are_those_of_the_rows(
    ada: User, queue: Queue, make_task: Call, make_prompt: Call, claim: Call, api: Call
) -> None:
    tasks = [make_task("demonstration") for _ in range(3)]
    ago = timezone.now() - timedelta(hours=5)
    LabelingTask.objects.filter(pk=tasks[2].pk).update(created_at=ago)
    held = claim(ada, "demonstration")
    api(ada, f"assignments/{held['id']}/submit/", {"text": "So."})
    claim(ada, "demonstration")
    found = depth(queue)
    assert (found.free, found.held, found.sampling, found.oldest) == (1, 1, 0, ago)
    assert labeled_per_hour(queue) == (1, 1 / 24)
    waits = make_prompt("waits")
    assert [one.prompt for one in next_drawn(queue, None)] == [waits]
