"""Each way of losing work: the draft is found again, and the page says what happened."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Route, expect

from accounts.models import User
from labeling.models import Assignment, Demonstration, Ranking, Slot
from labeling.work.assignments import claim
from labeling.work.leases import expire_leases
from labeling.work.submissions import submit
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task, ranking_task
from tests.browser.test_rank import _begin as _begin_ranking
from tests.browser.test_rank import _expect_board
from tests.browser.test_write import EDITOR, _begin, _wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RAN_OUT = "This task's time ran out and somebody else has taken it"


def test_a_task_whose_time_ran_out_counts_while_it_is_free(browse: Open, ada: User) -> None:
    task = demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.get_by_label(EDITOR).fill("Thought over at lunch")
    _wait_until_saved(page)
    _let_the_time_run_out()
    page.reload()
    expect(page.get_by_label(EDITOR)).to_have_value("Thought over at lunch")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/demonstration/")
    assert Demonstration.objects.get(task=task).text == "Thought over at lunch"


def test_a_laptop_that_slept_is_told_that_its_task_is_gone(
    browse: Open, ada: User, ben: User
) -> None:
    demonstration_task()
    page = browse(ada)
    page.clock.install()
    page = _begin(page, "demonstration")
    page.get_by_label(EDITOR).fill("Before the lid closed")
    page.clock.run_for(1_000)
    _wait_until_saved(page)
    _let_the_time_run_out()
    _submit(claim(labeler=ben, kinds=["demonstration"]), ben)
    page.clock.fast_forward(3_600_000)
    expect(page.get_by_text(RAN_OUT)).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(RAN_OUT)).to_be_visible()
    expect(page.get_by_label(EDITOR)).to_have_value("Before the lid closed")
    assert Demonstration.objects.get().labeler == ben
    assert Assignment.objects.get(labeler=ada).draft["text"] == "Before the lid closed"


def test_a_server_that_restarts_is_waited_for(browse: Open, ada: User) -> None:
    demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.route("**/api/**", _bad_gateway)
    page.get_by_label(EDITOR).fill("Written while it restarted")
    expect(page.get_by_text("Server not answering, kept on this computer")).to_be_visible()
    page.unroute("**/api/**")
    _wait_until_saved(page)
    assert Assignment.objects.get(labeler=ada).draft["text"] == "Written while it restarted"


def test_a_ranking_survives_a_crash_right_after_the_last_key(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin_ranking(browse(ada))
    for key in ("4", "3", "2", "1", "Enter", "d", "ArrowUp"):
        page.keyboard.press(key)
    _expect_board(page, ["A", "B", "C D"])
    address, context = page.url, page.context
    page.close()
    page = context.new_page()
    page.goto(address)
    _expect_board(page, ["A", "B", "C D"])


def test_a_page_made_before_the_last_save_arrived_shows_all_ratings(
    browse: Open, ada: User
) -> None:
    """The reload is answered first, then the draft that was sent on leaving is stored."""
    ranking_task()
    page = _begin_ranking(browse(ada))
    stale = page.context.request.get(page.url).text()
    for key in ("4", "3"):
        page.keyboard.press(key)
    _wait_until_saved(page)
    assert len(Assignment.objects.get().draft["ratings"]) == 4
    page.keyboard.press("2")
    page.route("**/work/assignments/*/", lambda route: _answer_late(route, stale))
    page.reload()
    for letter, mark in zip("ABC", ("4/7", "3/7", "2/7"), strict=True):
        expect(page.locator(".chip", has_text=letter)).to_contain_text(mark)
    page.keyboard.press("1")
    _wait_until_saved(page)
    ratings = Assignment.objects.get().draft["ratings"]
    assert sorted(one["overall"] for one in ratings.values()) == [1, 2, 3, 4]


def test_a_tab_whose_task_was_submitted_elsewhere_says_so_and_stops_asking(
    browse: Open, ada: User
) -> None:
    demonstration_task()
    page = browse(ada)
    page.clock.install()
    _begin(page, "demonstration")
    _submit(Assignment.objects.get(), ada)
    beats: list[str] = []
    page.on("request", lambda one: beats.append(one.url) if "heartbeat" in one.url else None)
    with page.expect_response("**/heartbeat/"):
        page.clock.run_for(61_000)
    expect(page.get_by_text("This task was submitted already.")).to_be_visible()
    for _ in range(3):
        page.clock.run_for(60_000)
    assert len(beats) == 1
    page.get_by_role("button", name="Show how it stands").click()
    page.wait_for_url("**/work/mine/*/")


def test_an_expired_session_does_not_stop_a_submit(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin_ranking(browse(ada))
    for key in ("4", "3", "2", "1", "Enter", "Enter"):
        page.keyboard.press(key)
    _wait_until_saved(page)
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("Control+Enter")
    page.get_by_label("Password of ada").fill("ada-password")
    page.keyboard.press("Enter")
    page.wait_for_url("**/work/ranking/")
    assert Ranking.objects.get().labeler == ada


def test_a_submit_pressed_three_times_is_one(browse: Open, ada: User) -> None:
    task = demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.get_by_label(EDITOR).fill("Once is enough")
    for _ in range(3):
        page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/demonstration/")
    assert Demonstration.objects.filter(task=task).count() == 1
    assert Slot.objects.get(task=task).state == "filled"


def test_two_race_for_the_last_slot_and_one_gets_it(browse: Open, ada: User, ben: User) -> None:
    task = demonstration_task()
    pages = [browse(ada), browse(ben)]
    for page in pages:
        page.goto("/", wait_until="commit")
    for page in pages:
        page.goto("/work/demonstration/", wait_until="commit")
    either = re.compile("The response you would want|Nothing waits just now")
    for page in pages:
        expect(page.get_by_text(either).filter(visible=True).first).to_be_visible()
    assert Assignment.objects.filter(task=task).count() == 1
    assert sum("/assignments/" in page.url for page in pages) == 1


def _let_the_time_run_out() -> None:
    Assignment.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_leases() == 1


def _submit(held: Assignment | None, labeler: User) -> None:
    assert held is not None
    submit(assignment_id=held.pk, labeler=labeler, body={"text": "Faster"})


def _answer_late(route: Route, page: str) -> None:
    """As it was read before the last save, but shown after it."""
    deadline = time.monotonic() + 5
    while len(_overalls()) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    route.fulfill(body=page, content_type="text/html")


def _overalls() -> list[int]:
    ratings = Assignment.objects.get().draft.get("ratings", {})
    return [one["overall"] for one in ratings.values() if "overall" in one]


def _bad_gateway(route: Route) -> None:
    route.fulfill(status=502, body="<h1>Bad gateway</h1>", content_type="text/html")
