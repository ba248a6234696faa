"""Reports to an admin, what was read, and the topics a labeler declines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from core.problems import Problem
from labeling.models import Assignment, LabelerProfile, Report
from labeling.people.topics import topics_with
from labeling.review.reports import answer
from labeling.work.distress import warning
from labeling.work.guideline_reads import reading, unread_guidelines
from labeling.work.guidelines import publish_guideline
from labeling.work.home import reports_of, week

Call = Callable[..., Any]


def test_a_report_is_answered_once_and_put_away(
    ada: User, ben: User, olga: User, make_task: Call, claim: Call, api: Call
) -> None:
    make_task()
    held = claim(ada)
    path = f"assignments/{held['id']}/report/"
    assert api(ada, path, {"text": " Completion B is cut off. "}).status_code == 201
    assert api(ben, path, {"text": "Not mine."}).status_code == 404
    assert api(ada, path, {"text": "x" * 2001}).status_code == 400
    assert Assignment.objects.get().state == "active"

    [mine] = reports_of(ada)
    seen = f"reports/{mine.pk}/seen/"
    assert api(ada, seen, {}).status_code == 404  # not answered yet
    answer(report_id=mine.pk, by=olga, text="Rank what is there.")
    with pytest.raises(Problem) as refused:
        answer(report_id=mine.pk, by=olga, text="Again.")
    assert refused.value.status_code == 409
    assert api(ben, seen, {}).status_code == 404
    assert api(ada, seen, {}).status_code == 204
    assert reports_of(ada) == []
    stored = Report.objects.get()
    assert (stored.text, stored.answer, stored.answered_by) == (
        "Completion B is cut off.",
        "Rank what is there.",
        olga,
    )


def test_reading_a_new_version_moves_what_is_held_under_it(
    ada: User, make_task: Call, claim: Call, api: Call
) -> None:
    first = publish_guideline(kind="ranking", purpose="training", text="one")
    make_task()
    held = claim(ada)
    found = reading(ada, kind="ranking", purpose="training")
    assert found and (found.newest, found.read, found.is_new) == (first, None, True)
    assert unread_guidelines(ada) == []  # never read is no change
    for _ in range(2):
        assert api(ada, f"guidelines/{first.pk}/read/", {}).status_code == 204
    second = publish_guideline(kind="ranking", purpose="training", text="two")
    assert unread_guidelines(ada) == [second]
    assert Assignment.objects.get(pk=held["id"]).guideline == first
    api(ada, f"guidelines/{second.pk}/read/", {})
    assert Assignment.objects.get(pk=held["id"]).guideline == second
    found = reading(ada, kind="ranking", purpose="training")
    assert found and (found.read, found.is_new) == (second, False)
    assert api(ada, "guidelines/999999/read/", {}).status_code == 404


def test_a_declined_topic_never_arrives(
    ada: User, ben: User, make_task: Call, claim: Call, api: Call
) -> None:
    make_task(topic="violence")
    calm = make_task(topic="gardening")
    assert topics_with(LabelerProfile(user=ada)) == [("gardening", False), ("violence", False)]
    sent = api(ada, "topics/", {"declined_topics": ["violence", "violence"]}, method="put")
    assert sent.json() == {"declined_topics": ["violence"]}
    assert claim(ada)["prompt"]["id"] == calm.prompt_id
    api(ada, f"assignments/{Assignment.objects.get().pk}/release/", {"reason": "unclear"})
    response = api(ada, "assignments/claim/", {"kinds": ["ranking"]})
    assert response.status_code == 204
    assert claim(ben)["prompt"]["id"] != calm.prompt_id
    assert api(ada, "topics/", {"declined_topics": ["x" * 41]}, method="put").status_code == 400
    assert topics_with(LabelerProfile.objects.get(user=ada))[1] == ("violence", True)


def test_what_may_distress_is_known_by_topic_by_skip_and_by_flag(
    ada: User, ben: User, make_task: Call, claim: Call, api: Call, ranking_of: Call
) -> None:
    topical, plain = make_task(topic="Self-Harm"), make_task(overlap=2)
    assert (warning(topical), warning(plain)) == ("Self-Harm", None)
    api(ada, f"assignments/{claim(ada)['id']}/release/", {"reason": "unclear"})
    held = claim(ada)
    ids = [completion["id"] for completion in held["completions"]]
    ratings = {item: {"overall": 4, "flags": ["violent_content"]} for item in ids}
    body = ranking_of(held, ratings=ratings)
    assert api(ada, f"assignments/{held['id']}/submit/", body).status_code == 200
    assert warning(plain) == "flagged"
    api(ben, f"assignments/{claim(ben)['id']}/release/", {"reason": "unclear"})
    api(ben, f"assignments/{claim(ben)['id']}/release/", {"reason": "distressing"})
    assert warning(plain) == "reported"


def test_the_week_counts_labels_and_active_time_by_day(
    ada: User, make_task: Call, claim: Call, api: Call
) -> None:
    for seconds in (30, 45):
        make_task("demonstration")
        held = claim(ada, "demonstration")
        body = {"text": "So it is.", "active_seconds": seconds}
        api(ada, f"assignments/{held['id']}/submit/", body)
    days = week(ada)
    assert [day.labels for day in days] == [0] * 6 + [2]
    assert (days[-1].counts, days[-1].active_seconds) == ({"demonstration": 2}, 75)
