"""The admin's own pages: a queue's, a label's, rankings side by side, changes of many rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from labeling.models import BulkChange, LabelingTask, Prompt, Queue, Ranking
from labeling.queues import queues
from labeling.queues.queue_reads import depth, next_slots

Call = Callable[..., Any]


@pytest.fixture
def ranked(
    ada: User, ben: User, make_task: Call, claim: Call, api: Call, ranking_of: Call
) -> LabelingTask:
    """A task that two labelers ranked."""
    task = make_task(overlap=2)
    for labeler in (ada, ben):
        held = claim(labeler)
        api(labeler, f"assignments/{held['id']}/submit/", ranking_of(held))
    return task


def test_a_queue_s_page_says_what_is_next_and_why(
    rosa: User, make_prompt: Call, client_of: Call
) -> None:
    for number in range(3):
        make_prompt(f"prompt {number}", use_case="chat")
    Prompt.objects.filter(messages__0__content="prompt 1").update(priority=4)
    values = {"ready": 1, "targets": {"chat": 1}, "rules": [{"use_case": "chat", "points": 2}]}
    queue = Queue.objects.create(kind="demonstration", purpose="training", **values)
    queues.refill()
    page = client_of(rosa).get(reverse("admin:labeling_queue_change", args=[queue.pk]))
    now = page.context["now"]
    assert [slot.task.prompt.last_message for slot in now["slots"]] == ["prompt 1"]
    assert [one.priority for one in now["drawn"]] == [2, 2]
    why = "Chat is below its target; +2 by the rule use case chat"
    assert {one.why for one in now["drawn"]} == {why}
    assert why in page.content.decode()
    assert (now["mode"], [act["label"] for act in now["acts"]]) == (
        "Running",
        ["Drain", "Pause", "Expire what waits"],
    )


def test_the_oldest_of_a_queue_is_what_has_waited_longest(make_task: Call) -> None:
    first, quarantined, last = make_task(), make_task(), make_task()
    queue = Queue.objects.get_or_create(kind="ranking", purpose="training")[0]
    assert depth(queue).oldest == first.created_at
    Prompt.objects.filter(pk=quarantined.prompt_id).update(state="quarantined")
    assert [slot.task for slot in next_slots(queue)] == [first, last]


RULE = (
    "rules-use_case",
    "rules-source",
    "rules-older_than_days",
    "rules-newer_than_days",
    "rules-uncertain_above",
    "rules-points",
)


def test_rules_and_targets_are_filled_in_as_rows(rosa: User, client_of: Call) -> None:
    queue = Queue.objects.create(kind="ranking", purpose="training")
    body = {"ready": 5, "overlap": 1, "completions": 4, "max_new_tokens": "", "temperature": "0.7",
            "targets-name": ["chat", "generation", ""], "targets-weight": ["8.4", "45.6", ""],
            **{name: ["", ""] for name in RULE}, "rules-use_case": ["chat", ""],
            "rules-uncertain_above": ["0.3", ""], "rules-points": ["5", ""]}  # fmt: skip
    path = reverse("admin:labeling_queue_change", args=[queue.pk])
    assert client_of(rosa).post(path, body).status_code == 302
    queue.refresh_from_db()
    assert queue.targets == {"chat": 8.4, "generation": 45.6}
    assert queue.rules == [{"use_case": "chat", "uncertain_above": 0.3, "points": 5}]
    assert (queue.max_new_tokens, queue.temperature) == (None, 0.7)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("targets", {"targets-name": "songs", "targets-weight": "1"}, "not a use case"),
        ("rules", {**dict.fromkeys(RULE, ""), "rules-points": "0"}, "Rule 1: points"),
        ("rules", {**dict.fromkeys(RULE, ""), "rules-older_than_days": "x"}, "Rule 1: points"),
        ("mixture", {"mixture-name": "nobody", "mixture-weight": "1"}, "neither policy"),
        ("max_new_tokens", {"max_new_tokens": "0"}, "greater than or equal to 1"),
        ("temperature", {"temperature": "3"}, "less than or equal to 2"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_their_field(
    rosa: User, client_of: Call, name: str, value: dict[str, str], says: str
) -> None:
    queue = Queue.objects.create(kind="ranking", purpose="training")
    body = {"ready": 5, "overlap": 1, "completions": 4} | value
    page = client_of(rosa).post(reverse("admin:labeling_queue_change", args=[queue.pk]), body)
    assert page.status_code == 200
    assert says in str(page.context["adminform"].form.errors[name])


def test_a_label_s_page_shows_where_it_comes_from(
    rosa: User, ranked: LabelingTask, client_of: Call
) -> None:
    first, second = Ranking.objects.order_by("pk")
    client = client_of(rosa)
    text = client.get(reverse("admin:labeling_ranking_change", args=[first.pk])).content.decode()
    for said in ("secret-model", "seed 2", "30 s", "hallucination", "Answer 3.", "Form v1"):
        assert said in text
    compare = reverse("admin:labeling_adjudicate", args=[ranked.pk])
    assert compare in text
    page = client.get(compare)
    assert [len(row.places) for row in page.context["rows"]] == [2] * 4
    assert f'"ranking": {second.pk}' in page.content.decode()
    assert client.get(reverse("admin:labeling_ranking_change", args=[999])).status_code == 404


def test_many_prompts_are_changed_after_a_word_and_back_again(
    rosa: User, make_prompt: Call, client_of: Call, api: Call
) -> None:
    chosen = [make_prompt(f"prompt {number}").pk for number in range(3)][:2]
    client, path = client_of(rosa), reverse("admin:labeling_prompt_changelist")
    body: dict[str, Any] = {"action": "set_priority", "_selected_action": chosen}
    asked = client.post(path, body).content.decode()
    assert "<b>2 prompts</b> are chosen" in asked
    assert not BulkChange.objects.exists()
    wrong = client.post(path, body | {"apply": "yes", "value": "high"})
    assert "whole number" in wrong.content.decode()
    done = client.post(path, body | {"apply": "yes", "value": "5"}, follow=True)
    assert "2 prompts changed" in done.content.decode()
    assert Prompt.objects.filter(priority=5).count() == 2
    change = BulkChange.objects.get()
    page = client.get(reverse("admin:labeling_bulkchange_change", args=[change.pk]))
    assert reverse("change-undo", args=[change.pk]) in page.content.decode()
    assert api(rosa, f"changes/{change.pk}/undo/", {}).json()["count"] == 2
    assert not Prompt.objects.filter(priority=5).exists()
    # All of them, not only those on the page
    client.post(
        path,
        {
            "action": "withdraw",
            "_selected_action": chosen[:1],
            "select_across": "1",
            "apply": "yes",
        },
    )
    assert Prompt.objects.filter(state="withdrawn").count() == 3


@pytest.mark.parametrize("path", ["queues/1/mode/", "queues/1/expire/", "changes/1/undo/"])
def test_labelers_steer_nothing(ada: User, api: Call, path: str) -> None:
    assert api(ada, path, {"mode": "paused"}).status_code == 403
