"""Amending a label within the time for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from labeling.exports.orders import order
from labeling.exports.training_rows import training_rankings
from labeling.models import Assignment, Demonstration, LabelingTask, Prompt, Ranking, Slot
from labeling.people.agreement_reads import agreement_of

Call = Callable[..., Any]


@pytest.fixture
def amend(api: Call) -> Call:
    """`amend(ada, held, body)`."""
    return lambda user, held, body: api(user, f"assignments/{held['id']}/amend/", body)


@pytest.fixture
def submitted(claim: Call, api: Call, ranking_of: Call) -> Call:
    """`submitted(ada, "ranking")`: claim the next task and submit it; gives what was claimed."""

    def call(user: User, kind: str = "ranking", body: Any = None) -> dict[str, Any]:
        held = claim(user, kind)
        body = body or (ranking_of(held) if kind == "ranking" else {"text": "First."})
        response = api(user, f"assignments/{held['id']}/submit/", body)
        assert response.status_code == 200, response.content
        return held

    return call


def test_the_new_version_takes_the_place_of_the_old_one_which_stays(
    ada: User, ben: User, make_task: Call, submitted: Call, amend: Call, ranking_of: Call
) -> None:
    task = make_task(overlap=2)
    held = submitted(ada)
    submitted(ben)
    ids = [completion["id"] for completion in held["completions"]]
    body = ranking_of(held, ranking=[[item] for item in reversed(ids)], active_seconds=50)
    assert amend(ada, held, body).status_code == 200
    assert amend(ada, held, body).status_code == 200  # the same again is nothing new

    old, new = Ranking.objects.filter(labeler=ada).order_by("pk")
    assert (new.supersedes, new.excluded_at, new.active_seconds) == (old, None, 50)
    assert old.excluded_at and old.superseded_by == new
    assert dict(old.ranked.values_list("completion_id", "rank"))[int(ids[0])] == 1
    placed = new.ranked.order_by("rank").values_list("completion_id", flat=True)
    assert [str(item) for item in placed] == ids[::-1]
    assert (new.form, new.guideline, new.display_order) == (
        old.form,
        old.guideline,
        old.display_order,
    )

    rows = [row for row in training_rankings() if row["labeler"] == str(ada.pseudonym)]
    assert [row["id"] for row in rows] == [str(new.pk)]
    positions = task.completions.values_list("pk", flat=True)
    assert rows[0]["ranks"] == [4 - ids.index(str(pk)) for pk in positions]
    leaving = set(order(what="rankings").labels().values_list("pk", flat=True))
    assert leaving == set(Ranking.objects.exclude(pk=old.pk).values_list("pk", flat=True))
    # Ben ranks one of six pairs as a tie; agreement is counted once, on the newest version.
    assert agreement_of(ada).total == 5
    assert list(Slot.objects.values_list("state", flat=True)) == ["filled", "filled"]


def test_its_draft_is_what_was_submitted_and_can_be_saved(
    ada: User, make_task: Call, submitted: Call, api: Call
) -> None:
    make_task("demonstration")
    held = submitted(ada, "demonstration", {"text": "First.", "active_seconds": 12})
    now = api(ada, f"assignments/{held['id']}/", method="get").json()
    assert now["draft"] == {"text": "First.", "active_seconds": 12}
    path = f"assignments/{held['id']}/draft/"
    stale = {"draft": {"text": "?"}, "draft_version": held["draft_version"]}
    assert api(ada, path, stale, method="put").status_code == 409
    body = {"draft": {"text": "Second"}, "draft_version": now["draft_version"]}
    assert api(ada, path, body, method="put").status_code == 200
    assert Demonstration.objects.get().text == "First."


def test_when_the_time_is_over_neither_draft_nor_label_is_taken(
    ada: User, make_task: Call, submitted: Call, api: Call, amend: Call, settings: Any
) -> None:
    make_task("demonstration")
    held = submitted(ada, "demonstration")
    hours = settings.LABELING["amend_hours"]
    Assignment.objects.update(ended_at=timezone.now() - timedelta(hours=hours, seconds=1))
    response = amend(ada, held, {"text": "Second."})
    assert (response.status_code, Demonstration.objects.count()) == (409, 1)
    assert "time to amend this label is over" in response.json()["detail"]
    version = Assignment.objects.get().draft_version
    body = {"draft": {"text": "Second"}, "draft_version": version}
    path = f"assignments/{held['id']}/draft/"
    assert api(ada, path, body, method="put").status_code == 409


def test_it_refuses_others_the_unsubmitted_the_excluded_and_what_is_wrong(
    ada: User, ben: User, make_task: Call, claim: Call, submitted: Call, amend: Call
) -> None:
    make_task("demonstration")
    held = submitted(ada, "demonstration")
    assert amend(ben, held, {"text": "Mine."}).status_code == 404
    refused = amend(ada, held, {"text": "  "})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["text"])
    assert Demonstration.objects.get().excluded_at is None
    Demonstration.objects.update(excluded_at=timezone.now(), excluded_reason="Copied.")
    refused = amend(ada, held, {"text": "Second."})
    assert refused.status_code == 409
    assert "taken out of the data" in refused.json()["detail"]
    make_task("demonstration")
    assert amend(ada, claim(ada, "demonstration"), {"text": "Early."}).status_code == 409


def test_a_written_prompt_is_amended_until_others_work_with_it(
    ada: User, submitted: Call, amend: Call, written_task: LabelingTask
) -> None:
    body = {"prompt_kind": "plain", "instruction": "Name a river.", "use_case": "open_qa"}
    held = submitted(ada, "prompt_writing", body)
    assert amend(ada, held, body | {"use_case": "other"}).status_code == 200
    assert amend(ada, held, body | {"instruction": "Name a long river."}).status_code == 200
    first, second, third = Prompt.objects.order_by("pk")
    assert [first.state, second.state, third.state] == ["withdrawn", "withdrawn", "active"]
    assert (second.supersedes, third.supersedes) == (first, second)
    assert (second.use_case, third.last_message) == ("other", "Name a long river.")
    written_task.refresh_from_db()
    assert written_task.prompt == third

    LabelingTask.objects.create(kind="demonstration", prompt=third, state="open")
    refused = amend(ada, held, body | {"instruction": "Name a lake."})
    assert refused.status_code == 409
    assert "Others work with this prompt" in refused.json()["detail"]


@pytest.fixture
def written_task(db: None) -> LabelingTask:
    """A prompt-writing task with one free slot."""
    task = LabelingTask.objects.create(kind="prompt_writing", state="open")
    Slot.objects.create(task=task, number=1, kind="prompt_writing", purpose="training")
    return task


def test_the_database_knows_one_first_label_and_one_next(
    ada: User, make_task: Call, submitted: Call, amend: Call
) -> None:
    make_task("demonstration")
    held = submitted(ada, "demonstration")
    amend(ada, held, {"text": "Second."})
    first = Demonstration.objects.earliest("pk")
    for supersedes in (None, first):
        copy = Demonstration.objects.get(pk=first.pk)
        copy.pk, copy.supersedes = None, supersedes
        with pytest.raises(IntegrityError), transaction.atomic():
            copy.save()
