"""Totals are what the labels say, however often and in whatever steps they are counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from labeling.models import Assignment, DailyTotal, LabelerFigures, PeopleCount, Ranking
from labeling.people.people_reads import days_of, people
from labeling.people.totals import bring_up_to_date, rebuild
from labeling.review.reviews import exclude, send_back

Call = Callable[..., Any]
_SHOWN = ("labels", "active_seconds", "pairs", "tied", "contradictory", "too_fast", "skipped",
          "sent_back")  # fmt: skip


@pytest.fixture
def label(claim: Call, api: Call, ranking_of: Call) -> Call:
    """`label(ada)`: rank the next task in 30 s, or write."""

    def make(user: User, kind: str = "ranking", **changes: Any) -> int:
        held = claim(user, kind)
        held.get("completions", []).sort(key=lambda one: int(one["id"]))
        body = ranking_of(held) if kind == "ranking" else {"text": "So it is.", "active_seconds": 9}
        answer = api(user, f"assignments/{held['id']}/submit/", body | changes)
        assert answer.status_code == 200, answer.content
        return int(held["id"])

    return make


def rows() -> list[tuple[Any, ...]]:
    return sorted(DailyTotal.objects.values_list("labeler", "day", "kind", *_SHOWN))


def test_a_day_is_what_was_done_on_it(
    ada: User, ben: User, olga: User, make_task: Call, label: Call, claim: Call, api: Call
) -> None:
    for _ in range(4):
        make_task(overlap=2)
    make_task("demonstration")
    label(ada)
    label(ada, active_seconds=50)
    label(ada, "demonstration")
    label(ben)
    api(ada, f"assignments/{claim(ada)['id']}/release/", {"reason": "No."})
    bring_up_to_date()
    today = timezone.localdate()
    # Each ranking of four has its first two tied: one pair of six; and was faster than anybody.
    assert rows() == sorted(
        [
            (ada.pk, today, "ranking", 2, 80, 12, 2, 0, 0, 1, 0),
            (ada.pk, today, "demonstration", 1, 9, 0, 0, 0, 0, 0, 0),
            (ben.pk, today, "ranking", 1, 30, 6, 1, 0, 0, 0, 0),
        ]
    )
    figures = LabelerFigures.objects.get(labeler=ada)
    assert figures.median_seconds == {"ranking": 40, "demonstration": 9}
    assert (figures.agreement, figures.comparisons) == (1, 5)
    assert [day["labels"] for day in days_of(ada, 7)] == [3]


def test_steps_and_a_rebuild_come_to_the_same(
    ada: User, ben: User, olga: User, make_task: Call, label: Call, claim: Call, api: Call
) -> None:
    for _ in range(6):
        make_task(overlap=2)
    label(ada)
    bring_up_to_date()
    assert bring_up_to_date() == 1  # the last minutes are looked at again, and nothing changes
    label(ada)
    label(ben)
    bring_up_to_date()
    last = Ranking.objects.filter(labeler=ada).latest("pk")
    send_back(label=last, text="Read it again.", by=olga)
    exclude(label=Ranking.objects.get(labeler=ben), reason="Spam.", by=olga)
    api(ben, f"assignments/{claim(ben)['id']}/release/", {"reason": "No."})
    bring_up_to_date()
    stepwise = rows()
    figures = list(LabelerFigures.objects.order_by("labeler").values())
    assert sum(row[3] for row in stepwise) == 3 and stepwise[0][-1] == 1
    rebuild()
    assert rows() == stepwise
    again = list(LabelerFigures.objects.order_by("labeler").values())
    assert [one | {"id": 0} for one in again] == [one | {"id": 0} for one in figures]


def test_old_days_stay_as_they_were_counted(ada: User, make_task: Call, label: Call) -> None:
    for _ in range(2):
        make_task()
    label(ada)
    long_ago = timezone.now() - timedelta(days=40)
    Ranking.objects.update(created_at=long_ago)
    rebuild()
    label(ada)
    DailyTotal.objects.filter(day=timezone.localdate(long_ago)).update(labels=17)
    bring_up_to_date()
    [ada_is] = people()
    assert (ada_is.labels, ada_is.week, ada_is.today) == (18, 1, 1)
    rebuild()
    [ada_is] = people()
    assert ada_is.labels == 2
    assert PeopleCount.objects.count() == 1


def test_the_worst_news_come_first_in_words(ada: User, ben: User, olga: User) -> None:
    cyd = User.objects.create(username="cyd", role="labeler")
    today = timezone.localdate()
    usual = {"day": today, "kind": "ranking", "labels": 200, "pairs": 1200, "tied": 100}
    for user, too_fast in ((ada, 2), (ben, 3), (cyd, 60)):
        DailyTotal.objects.create(labeler=user, too_fast=too_fast, **usual)
        low = 0.61 if user == ben else 0.70
        LabelerFigures.objects.create(
            labeler=user, agreement=low + 0.03, agreement_low=low, agreement_high=low + 0.07,
            comparisons=500, last_label_at=timezone.now() - timedelta(days=20),
        )  # fmt: skip
    first, second, third = people()
    assert [one.name for one in (first, second, third)] == ["cyd", "ben", "ada"]
    assert [news.says for news in first.news] == [
        "is faster than anybody reads more often: 24 to 37 % of rankings", "not seen for 20 days",
    ]  # fmt: skip
    assert second.news[0].says == "agrees less than the others: 61 to 68 %"
    assert [news.says for news in third.news] == ["not seen for 20 days"]
    assert third.tied is not None and third.tied.estimate == pytest.approx(1 / 12)
    assert [one.name for one in people(name="BE")] == ["ben"]
    assert people(group="held_out") == [] and people(states=["paused"]) == []


def test_everybody_is_there_without_anything_done(ada: User, rosa: User) -> None:
    assert bring_up_to_date() == 0
    [one] = people()
    assert (one.name, one.state, one.labels, one.agreement, list(one.news)) == (
        "ada", "active", 0, None, [],
    )  # fmt: skip
    assert Assignment.objects.count() == 0
