"""From one task to the next: at once, whatever happens on the way, with nothing held for long."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from labeling.models import Assignment, Demonstration, Ranking, Slot
from labeling.work.guidelines import publish_guideline
from labeling.work.leases import expire_leases
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task, ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EDITOR = "The response you would want"
QUESTIONS = ("What is a fugue?", "Why is the sky blue?", "Who was Ada?", "What is a sonnet?")


def test_the_next_task_is_there_without_another_request(browse: Open, ada: User) -> None:
    _demonstrations()
    page = _begin(browse(ada))
    _write(page, "An answer.")
    page.evaluate("globalThis.sameDocument = true")
    page.route("**/claim/", lambda route: route.abort())
    page.route("**/work/**", lambda route: route.abort())
    _submit(page)
    expect(page.get_by_text(QUESTIONS[1])).to_be_visible()
    expect(page.get_by_label(EDITOR)).to_have_value("")
    expect(page.get_by_text("1 today")).to_be_visible()
    assert page.evaluate("globalThis.sameDocument")
    expect(page.get_by_label(EDITOR)).to_be_focused()
    expect(page.locator("#announcer")).to_have_text(page.title())
    assert [page.title(), _number(page)] == ["Demonstration · Tutelage", _held(ada).pk]
    assert Demonstration.objects.get().text == "An answer."


def test_tasks_follow_one_another_and_each_is_kept(browse: Open, ada: User) -> None:
    for question in QUESTIONS:
        ranking_task(question=question)
    page = browse(ada)
    page.goto("/work/ranking/")
    page.wait_for_url("**/work/assignments/*/")
    for done in range(3):
        expect(page.get_by_text(f"{done} today")).to_be_visible()
        expect(page.get_by_role("heading", name="Completion A")).to_be_visible()
        _press(
            page, "4", "3", "2", "1", "Enter", "ArrowDown"
        )  # joins the next, by this page's board alone
        expect(page.locator("#rank .band")).to_have_count(3)
        before = page.url
        _press(page, "Enter", "Control+Enter")
        page.wait_for_url(lambda url, before=before: url != before and "/assignments/" in url)
    assert Ranking.objects.count() == 3
    for ranking in Ranking.objects.all():
        assert sorted(ranking.ranked.values_list("rank", flat=True)) == [1, 1, 2, 3]


def test_what_is_written_there_is_kept_there(browse: Open, ada: User) -> None:
    _demonstrations()
    page = _begin(browse(ada))
    _write(page, "The first.")
    _submit(page)
    _write(page, "The second.", ahead=False)
    _wait_until_saved(page)
    assert _held(ada).draft["text"] == "The second."
    page.reload()
    expect(page.get_by_label(EDITOR)).to_have_value("The second.")
    page.go_back()
    page.wait_for_url("**/work/mine/*/")


def test_its_time_counts_from_when_it_is_shown(browse: Open, ada: User) -> None:
    _demonstrations()
    page = browse(ada)
    page.clock.install()
    _begin(page)
    _write(page, "The first.")
    page.clock.run_for(50_000)
    _submit(page)
    _write(page, "The second.", ahead=False)
    page.clock.run_for(1_000)
    _wait_until_saved(page)
    first = Assignment.objects.get(state="submitted")
    assert first.active_seconds >= 50
    assert _held(ada).draft["active_seconds"] < 10
    assert _held(ada).claimed_at >= first.ended_at


def test_a_skip_leads_on_at_once(browse: Open, ada: User) -> None:
    _demonstrations()
    page = _begin(browse(ada))
    _write(page, "Half an ans")
    _wait_until_saved(page)
    page.route("**/claim/", lambda route: route.abort())
    page.keyboard.press("Alt+s")
    page.get_by_label("It is beyond my knowledge").check()
    page.get_by_role("button", name="Skip it").click()
    expect(page.get_by_text(QUESTIONS[1])).to_be_visible()
    expect(page.get_by_text("0 today")).to_be_visible()
    assert Assignment.objects.get(state="released").draft["text"] == "Half an ans"


def test_a_closed_tab_lets_go_of_the_task_that_comes_next(
    browse: Open, ada: User, ben: User
) -> None:
    _demonstrations()
    page = _begin(browse(ada))
    _write(page, "An answer.")
    reserved = Assignment.objects.get(state="reserved")
    soon = timezone.now() + timedelta(minutes=3)
    assert reserved.lease_expires_at < soon < _held(ada).lease_expires_at
    page.close()
    _let_time_pass(reserved)
    assert Slot.objects.get(task=reserved.task).state == "free"
    _begin(browse(ben), QUESTIONS[1])


def test_a_task_that_somebody_else_got_meanwhile_is_not_shown(
    browse: Open, ada: User, ben: User
) -> None:
    _demonstrations()
    page = _begin(browse(ada))
    _write(page, "An answer.")
    _let_time_pass(Assignment.objects.get(state="reserved"))
    _begin(browse(ben), QUESTIONS[1])
    _submit(page)
    expect(page.get_by_text(QUESTIONS[2])).to_be_visible()
    assert Slot.objects.filter(state="held").count() == 2


def test_whoever_is_at_work_keeps_it_and_whoever_is_idle_does_not(browse: Open, ada: User) -> None:
    _demonstrations()
    page = browse(ada)
    page.clock.install()
    _begin(page)
    _write(page, "An answer.")
    with page.expect_response("**/next/"):
        page.clock.run_for(61_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(3):
        with page.expect_response("**/heartbeat/"):
            page.clock.run_for(60_000)
    assert not any(url.endswith("/next/") for url in asked[-4:])


def test_a_submit_after_a_time_offline_goes_on_too(browse: Open, ada: User) -> None:
    _demonstrations()
    page = _begin(browse(ada))
    _write(page, "An answer.")
    page.context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Not sent: the server cannot be reached")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text(QUESTIONS[1])).to_be_visible()
    assert Demonstration.objects.get().text == "An answer."


def test_a_topic_declined_in_another_tab_does_not_come(browse: Open, ada: User) -> None:
    _demonstrations()
    second = Slot.objects.order_by("pk")[1]
    Slot.objects.filter(pk=second.pk).update(topic="music")
    second.task.asked.topic = "music"
    second.task.asked.save()
    page = _begin(browse(ada))
    _write(page, "An answer.")
    other = page.context.new_page()
    other.goto("/work/topics/")
    with other.expect_response("**/api/v1/topics/"):
        other.get_by_label("music").uncheck()
    _submit(page)
    expect(page.get_by_text(QUESTIONS[2])).to_be_visible()
    assert Slot.objects.get(pk=second.pk).state == "free"


def test_a_guideline_read_here_is_not_unread_there(browse: Open, ada: User) -> None:
    _demonstrations()
    publish_guideline(kind="demonstration", purpose="training", text="Be kind.")
    page = _begin(browse(ada))
    _write(page, "An answer.")
    page.get_by_role("button", name="Read it").click()
    with page.expect_response("**/work/assignments/*/"):
        page.get_by_role("button", name=re.compile("read")).last.click()
    _submit(page)
    expect(page.get_by_text(QUESTIONS[1])).to_be_visible()
    expect(page.get_by_text("You have not read this guideline yet")).to_be_hidden()


def test_two_race_for_the_last_task(browse: Open, ada: User, ben: User) -> None:
    demonstration_task(QUESTIONS[0])
    pages = [browse(ada), browse(ben)]
    for page in pages:
        page.goto("/work/demonstration/", wait_until="commit")
    for page in pages:
        expect(page.get_by_label(EDITOR).or_(page.get_by_text("Nothing waits"))).to_be_visible()
    assert Assignment.objects.filter(state="active").count() == 1


def test_a_late_submit_is_refused_once_somebody_else_has_the_task(
    browse: Open, ada: User, ben: User
) -> None:
    demonstration_task(QUESTIONS[0])
    page = _begin(browse(ada))
    page.get_by_label(EDITOR).fill("Late.")
    _wait_until_saved(page)
    _let_time_pass(_held(ada))
    _begin(browse(ben))
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("somebody else has taken it")).to_be_visible()
    expect(page.get_by_label(EDITOR)).to_have_value("Late.")
    assert not Demonstration.objects.exists()


def test_a_late_submit_counts_while_the_task_is_free(browse: Open, ada: User) -> None:
    demonstration_task(QUESTIONS[0])
    page = _begin(browse(ada))
    page.get_by_label(EDITOR).fill("Late.")
    _wait_until_saved(page)
    _let_time_pass(_held(ada))
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/demonstration/")
    assert Demonstration.objects.get().text == "Late."


def test_submitting_twice_stores_one_label_and_skips_no_task(browse: Open, ada: User) -> None:
    _demonstrations()
    page = _begin(browse(ada))
    _write(page, "Once.")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(QUESTIONS[1])).to_be_visible()
    assert Demonstration.objects.get().text == "Once."
    assert _held(ada).task.asked.messages[0]["content"] == QUESTIONS[1]


def test_the_same_task_submitted_in_two_tabs_is_stored_once(browse: Open, ada: User) -> None:
    _demonstrations()
    first = _begin(browse(ada))
    second = first.context.new_page()
    second.goto(first.url)
    for page in (first, second):
        page.get_by_label(EDITOR).fill("The same.")
    _submit(first)
    expect(first.get_by_text(QUESTIONS[1])).to_be_visible()
    _submit(second)
    expect(second.get_by_text(QUESTIONS[1])).to_be_visible()
    assert Demonstration.objects.count() == 1


def _demonstrations() -> None:
    for question in QUESTIONS:
        demonstration_task(question)


def _begin(page: Page, question: str = QUESTIONS[0]) -> Page:
    page.goto("/work/demonstration/")
    page.wait_for_url("**/work/assignments/*/")
    expect(page.get_by_text(question)).to_be_visible()
    return page


def _write(page: Page, text: str, *, ahead: bool = True) -> None:
    """Write, and wait for the page of the next task to be fetched."""
    if not ahead:
        return page.get_by_label(EDITOR).fill(text)
    with page.expect_response(re.compile(r"/work/assignments/\d+/$")) as fetched:
        page.get_by_label(EDITOR).fill(text)
    fetched.value.finished()
    return None


def _submit(page: Page) -> None:
    page.keyboard.press("Control+Enter")
    expect(page.get_by_label(EDITOR)).to_have_value("")


def _wait_until_saved(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text(re.compile(r"Saved \d"))


def _press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def _held(labeler: User) -> Assignment:
    return Assignment.objects.get(labeler=labeler, state="active")


def _number(page: Page) -> int:
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def _let_time_pass(assignment: Assignment) -> None:
    over = timezone.now() - timedelta(seconds=1)
    Assignment.objects.filter(pk=assignment.pk).update(lease_expires_at=over)
    assert expire_leases() == 1
