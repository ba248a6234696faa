"""The lead's pages: everybody, one person, and the file."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from labeling.models import LabelerProfile
from labeling.people.standing import change_state
from labeling.people.totals import bring_up_to_date
from tests.markup import one_line

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]
PEOPLE = "/admin/labeling/labelerprofile/"


@pytest.fixture
def ranked(ada: User, make_task: Call, claim: Call, api: Call, ranking_of: Call) -> None:
    make_task()
    held = claim(ada)
    api(ada, f"assignments/{held['id']}/submit/", ranking_of(held))
    bring_up_to_date()


def test_everybody_is_on_the_page_without_a_row_of_their_own(
    ada: User, ben: User, rosa: User, ranked: None, client_of: Call
) -> None:
    assert not LabelerProfile.objects.exists()
    page = client_of(rosa).get(PEOPLE)
    assert [one.name for one in page.context["page"]] == ["ada", "ben"]
    assert "2 labelers, the worst news first" in one_line(page)
    change_state(labeler=ben, act="pause", by=rosa)
    paused = client_of(rosa).get(f"{PEOPLE}?state=paused&group=training")
    assert [one.name for one in paused.context["page"]] == ["ben"]
    assert "Paused" in one_line(paused)
    assert "Nobody is like that" in one_line(client_of(rosa).get(f"{PEOPLE}?name=zoe"))


def test_without_labelers_it_says_what_to_do(rosa: User, client_of: Call) -> None:
    assert "No labelers yet" in one_line(client_of(rosa).get(PEOPLE))


def test_a_person_s_page_has_their_labels_and_what_can_be_done(
    ada: User, rosa: User, ranked: None, client_of: Call
) -> None:
    page = client_of(rosa).get(f"{PEOPLE}person/{ada.pk}/")
    assert [act["label"] for act in page.context["acts"]] == [
        "Make a candidate", "Let them practise", "Pause", "Let go",
    ]  # fmt: skip
    assert "Question 1?" in one_line(page)
    for nobody in (rosa.pk, 10**9):
        assert client_of(rosa).get(f"{PEOPLE}person/{nobody}/").status_code == 404


def test_the_file_has_every_figure_with_its_interval(
    ada: User, rosa: User, ranked: None, client_of: Call
) -> None:
    User.objects.create(username="=cmd", role="labeler")
    answer = client_of(rosa).get(f"{PEOPLE}people.csv")
    assert "labelers-" in answer["Content-Disposition"]
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))
    assert {row["name"] for row in rows} == {"ada", "'=cmd"}
    [row] = [row for row in rows if row["name"] == "ada"]
    assert (row["labels"], row["median_seconds_ranking"], row["tied"]) == ("1", "30.0", "0.1667")
    assert 0 <= float(row["tied_low"]) < float(row["tied"]) < float(row["tied_high"])


def test_the_page_reads_as_many_statements_for_many_as_for_one(
    ada: User, rosa: User, client_of: Call, django_assert_max_num_queries: Call
) -> None:
    for number in range(30):
        User.objects.create(username=f"labeler-{number}", role="labeler")
    client = client_of(rosa)
    client.get(PEOPLE)
    with django_assert_max_num_queries(25):
        client.get(PEOPLE)


@pytest.mark.parametrize("path", ["", "people.csv", "agreement/", "person/1/"])
def test_labelers_do_not_see_each_other(path: str, ada: User, client_of: Call) -> None:
    assert client_of(ada).get(PEOPLE + path).status_code in (302, 403)
