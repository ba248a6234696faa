"""My work, the amend page, topics, and what home tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from labeling.models import Assignment, Demonstration, Prompt
from labeling.review.reports import answer, report
from labeling.review.reviews import comment, send_back
from labeling.work.amendments import amend
from labeling.work.assignments import claim
from labeling.work.guidelines import acknowledge, publish_guideline
from labeling.work.submissions import submit
from tests.browser.scenes import demonstration_task, prompt_writing_task, ranking_task

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], Client]


def _submitted(labeler: User, kind: str, body: dict[str, Any] | None = None) -> Assignment:
    held = claim(labeler=labeler, kinds=[kind])
    assert held is not None
    if body is None:
        ids = [str(pk) for pk in held.display_order]
        flags = ["violent_content"]
        ratings = {item: {"overall": 5, "flags": flags} for item in ids}
        body = {"ranking": [ids[:2], ids[2:]], "ratings": ratings, "active_seconds": 65}
    return submit(assignment_id=held.pk, labeler=labeler, body=body)


def test_the_list_is_mine_and_searchable(client_of: ClientOf, ada: User, ben: User) -> None:
    for question, text in [("What is a fugue?", "A form."), ("Why basil?", "It smells.")]:
        demonstration_task(question)
        _submitted(ada, "demonstration", {"text": text})
    client = client_of(ada)
    page = client.get(reverse("mine")).content.decode()
    assert page.index("Why basil?") < page.index("What is a fugue?")
    for words, there, not_there in [
        ("FUGUE", "a fugue?", "basil"),
        ("smells", "basil?", "fugue?"),
        ("basil smells", "basil?", "fugue?"),
    ]:
        page = client.get(reverse("mine"), {"q": words}).content.decode()
        assert there in page and not_there not in page.replace(f'value="{words}"', "")
    assert "Nothing you submitted matches" in client.get("/work/mine/?q=oboe").content.decode()
    assert "not submitted anything" in client_of(ben).get("/work/mine/").content.decode()


def test_one_is_shown_as_it_was_submitted_with_every_version(
    client_of: ClientOf, ada: User, ben: User
) -> None:
    task = ranking_task()
    done = _submitted(ada, "ranking")
    address = reverse("my-label", args=[done.pk])
    client = client_of(ada)
    assert client.get(reverse("assignment", args=[done.pk]))["Location"] == address
    page = client.get(address).content.decode()
    assert page.count('class="band"') == 2 and page.count("5/7") == 4
    assert "Contains violent content" in page and "1 min of active work" in page
    assert client_of(ben).get(address).status_code == 404

    ids = [str(pk) for pk in done.display_order]
    ratings = {item: {"overall": 3} for item in ids}
    amend(assignment_id=done.pk, labeler=ada, body={"ranking": [ids], "ratings": ratings})
    page = client.get(address).content.decode()
    assert "Version 2, which counts" in page and "Version 1, of" in page
    assert "amended" in client.get(reverse("mine")).content.decode()
    assert task.completions.count() == 4


def test_the_amend_page_opens_with_what_was_submitted_while_there_is_time(
    client_of: ClientOf, ada: User
) -> None:
    demonstration_task()
    done = _submitted(ada, "demonstration", {"text": "Water it well."})
    client, address = client_of(ada), reverse("amend", args=[done.pk])
    page = client.get(address).content.decode()
    assert '"text": "Water it well."' in page and f"/api/v1/assignments/{done.pk}/amend/" in page
    assert "Keep this version instead" in page
    Assignment.objects.update(ended_at=timezone.now() - timedelta(days=2))
    assert client.get(address)["Location"] == reverse("assignment", args=[done.pk])
    page = client.get(reverse("my-label", args=[done.pk])).content.decode()
    assert "The time to amend it is over" in page and address not in page


def test_home_tells_the_week_the_reports_and_the_break(
    client_of: ClientOf, ada: User, olga: User, settings: Any
) -> None:
    settings.LABELING = settings.LABELING | {"break_minutes": 1}
    task = ranking_task()
    Prompt.objects.filter(pk=task.prompt_id).update(topic="violence")
    done = _submitted(ada, "ranking")
    told = report(assignment_id=done.pk, labeler=ada, text="All four say the same.")
    client = client_of(ada)
    page = client.get("/").content.decode()
    assert "Not answered yet" in page and "1 minutes of the last two hours" in page
    assert "labels in seven days, 1 min of active work" in page
    assert "Nobody has ranked the same completions" in page
    answer(report_id=told.pk, by=olga, text="Then they are tied.")
    assert "Then they are tied." in client.get("/").content.decode()


def test_a_task_page_names_what_is_new_and_covers_what_may_distress(
    client_of: ClientOf, ada: User
) -> None:
    task = ranking_task()
    Prompt.objects.filter(pk=task.prompt_id).update(topic="violence")
    held = claim(labeler=ada, kinds=["ranking"])
    assert held is not None and held.guideline is not None
    client, address = client_of(ada), reverse("assignment", args=[held.pk])
    page = client.get(address).content.decode()
    assert "You have not read this guideline yet" in page
    assert 'class="covered" inert' in page and "<strong>violence</strong>" in page
    acknowledge(guideline_id=held.guideline.pk, labeler=ada)
    assert "guideline yet" not in client.get(address).content.decode()
    text = "# Ranking\n\nPut **truthfulness** first, then helpfulness, then harmlessness."
    publish_guideline(kind="ranking", purpose="training", text=text)
    page = client.get(address).content.decode()
    assert "version 2 is new to you" in page and "<ins>truthfulness</ins>" in page
    assert "version 2 is new to you" in client.get("/").content.decode()


def test_prompt_writing_shows_how_varied_the_latest_are_and_what_is_alike(
    client_of: ClientOf, ada: User
) -> None:
    prompt_writing_task()
    body = {
        "prompt_kind": "plain",
        "instruction": "Write a poem about the sea.",
        "use_case": "other",
    }
    _submitted(ada, "prompt_writing", body)
    prompt_writing_task()
    held = claim(labeler=ada, kinds=["prompt_writing"])
    assert held is not None
    client = client_of(ada)
    page = client.get(reverse("assignment", args=[held.pk])).content.decode()
    assert "write a" in page and "What you wrote lately" in page
    ask = lambda text: client.post("/alike/", {"text": text}, "application/json")  # noqa: E731
    assert ask("Write a poem about the sky.").json() == {
        "share": 0.75,
        "text": "Write a poem about the sea.",
    }
    assert ask("Hm").json() == {}
    assert ask(7).status_code == 400


def test_topics_are_listed_with_those_declined(client_of: ClientOf, ada: User) -> None:
    assert "No prompt names a topic yet" in client_of(ada).get("/work/topics/").content.decode()
    Prompt.objects.filter(pk=demonstration_task().prompt_id).update(topic="violence")
    page = client_of(ada).get("/work/topics/").content.decode()
    assert 'value="violence" checked' in page


def test_what_a_reviewer_says_stands_at_home_and_on_what_was_sent_back(
    client_of: ClientOf, ada: User, rosa: User
) -> None:
    demonstration_task()
    done = _submitted(ada, "demonstration", {"text": "Water it."})
    label = Demonstration.objects.get()
    comment(label=label, text="Clear and short.", by=rosa)
    send_back(label=label, text="Say how much water.", by=rosa)
    client = client_of(ada)
    page = client.get("/").content.decode()
    assert "Clear and short." in page and "Say how much water." in page
    page = client.get(reverse("assignment", args=[done.pk])).content.decode()
    assert "Sent back to you" in page and "Say how much water." in page
    assert '"text": "Water it."' in page
    assert client.post(reverse("api-reviews-seen")).status_code == 204
    assert "Say how much water." not in client.get("/").content.decode()


def test_a_guidelines_own_page_marks_the_changes_until_it_is_read(
    client_of: ClientOf, ada: User, rosa: User
) -> None:
    first = publish_guideline(kind="ranking", purpose="training", text="Put help first.")
    acknowledge(guideline_id=first.pk, labeler=ada)
    second = publish_guideline(kind="ranking", purpose="training", text="Put truth first.")
    address = reverse("guideline", args=["ranking", "training", 2])
    page = client_of(ada).get(address).content.decode()
    assert "<del>help</del><ins>truth</ins>" in page and "I have read it" in page
    assert "I have read it" not in client_of(rosa).get(address).content.decode()
    acknowledge(guideline_id=second.pk, labeler=ada)
    assert "<ins>" not in client_of(ada).get(address).content.decode()
