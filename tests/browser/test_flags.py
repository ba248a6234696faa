"""A flag goes to the completion one thinks of, also when a rating has moved on meanwhile."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from labeling.models import Assignment, RankedCompletion, Ranking
from tests.browser.conftest import Open
from tests.browser.pages import log_in
from tests.browser.scenes import ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AFTER_THE_MOMENT = 2_100  # ms


def test_a_flag_right_after_a_rating_goes_to_what_was_rated(browse: Open, ada: User) -> None:
    page = _begin(browse(None), ada)
    _press(page, "2", "h")
    expect(page.locator("#announcer")).to_have_text("Completion A: Hallucination")
    expect(_in_sight(page, "B")).to_be_visible()
    expect(_chip(page, "A")).to_have_text(re.compile(r"A\s+2/7\s+h"))
    expect(_chip(page, "B")).to_have_text(re.compile(r"B\s+–\s*$"))
    expect(page.get_by_text("Flags of Completion A")).to_be_visible()
    expect(_hallucination(page)).to_have_attribute("aria-pressed", "true")
    page.clock.run_for(AFTER_THE_MOMENT)
    expect(page.get_by_text("Flags of Completion B")).to_be_visible()
    expect(_hallucination(page)).to_have_attribute("aria-pressed", "false")
    _press(page, "h")
    expect(_chip(page, "B")).to_have_text(re.compile(r"B\s+–\s+h"))
    _press(page, "h")
    expect(page.locator("#announcer")).to_have_text("Completion B: no longer Hallucination")
    _press(page, "3", "4", "1", "h", "Enter", "Enter", "Control+Enter")
    page.wait_for_url("**/work/ranking/")
    assert _flags() == [["hallucination"], [], [], ["hallucination"]]


def test_another_key_ends_the_moment(browse: Open, ada: User) -> None:
    page = _begin(browse(None), ada)
    _press(page, "2", "ArrowRight", "h")
    expect(_in_sight(page, "C")).to_be_visible()
    expect(_chip(page, "C")).to_have_text(re.compile(r"C\s+–\s+h"))
    expect(_chip(page, "A")).to_have_text(re.compile(r"A\s+2/7\s*$"))


def test_a_flag_pressed_with_the_mouse_goes_there_too(browse: Open, ada: User) -> None:
    page = _begin(browse(None), ada)
    page.get_by_role("button", name="2", exact=True).click()
    _hallucination(page).click()
    expect(_chip(page, "A")).to_have_text(re.compile(r"A\s+2/7\s+h"))


def test_the_last_rating_waits_and_enter_leads_on(browse: Open, ada: User) -> None:
    page = _begin(browse(None), ada)
    _press(page, "4", "3", "2", "1", "h")
    expect(_in_sight(page, "D")).to_be_visible()
    expect(_chip(page, "D")).to_have_text(re.compile(r"D\s+1/7\s+h"))
    expect(_chip(page, "C")).to_have_text(re.compile(r"C\s+2/7\s*$"))
    expect(page.get_by_role("button", name="Rank them")).to_be_visible()
    _press(page, "Enter")
    expect(page.locator("#rank .band")).to_have_count(4)


def test_moving_on_by_itself_can_be_switched_off(browse: Open, ada: User) -> None:
    page = _begin(browse(None), ada)
    page.get_by_label("Reading and account").click()
    page.get_by_role("button", name="Stay").click()
    page.keyboard.press("Escape")
    page.reload()
    expect(_in_sight(page, "A")).to_be_visible()
    _press(page, "2", "h")
    expect(_in_sight(page, "A")).to_be_visible()
    expect(_chip(page, "A")).to_have_text(re.compile(r"A\s+2/7\s+h"))
    _press(page, "Enter")
    expect(_in_sight(page, "B")).to_be_visible()


def test_four_completions_with_a_tie_take_eight_keystrokes_at_most(browse: Open, ada: User) -> None:
    page = _begin(browse(None), ada)
    keys = ("6", "2", "6", "1", "Enter", "Enter", "Control+Enter")
    _press(page, *keys)
    page.wait_for_url("**/work/ranking/")
    ranks = Ranking.objects.get().ranked.values_list("rank", flat=True)
    assert sorted(ranks) == [1, 1, 2, 3]
    assert len(keys) <= 8


def test_a_cut_answer_says_so_wherever_it_is_read(browse: Open, ada: User) -> None:
    task = ranking_task()
    task.completions.filter(position=1).update(finish_reason="length")
    page = browse(None)
    page.goto("/work/ranking/")
    log_in(page, ada)
    page.wait_for_url("**/work/assignments/*/")
    held = Assignment.objects.get()
    cut = task.completions.get(finish_reason="length").pk
    letter = "ABCD"[held.display_order.index(cut)]
    words = "The length limit cut it off here."
    expect(page.locator(f"#completion-{cut}")).to_contain_text(words)
    expect(page.locator("#rate").get_by_text(words, exact=True)).to_have_count(1)
    _press(page, "4", "3", "2", "1", "Enter", letter.lower())
    expect(page.locator("[data-reader-target=current]")).to_contain_text(words)
    expect(page.locator("#rank .card", has_text="cut off")).to_have_attribute("data-letter", letter)
    _press(page, "Enter")
    expect(page.locator("#review .card", has_text="cut off")).to_have_count(1)


def _begin(page: Page, labeler: User) -> Page:
    ranking_task()
    page.clock.install()
    page.goto("/work/ranking/")
    log_in(page, labeler)
    page.wait_for_url("**/work/assignments/*/")
    expect(page.locator(".steps [aria-current]")).to_be_attached()
    return page


def _press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def _in_sight(page: Page, letter: str) -> Locator:
    return page.locator("#rate").get_by_role("heading", name=f"Completion {letter}")


def _chip(page: Page, letter: str) -> Locator:
    return page.locator(".chip").nth("ABCD".index(letter))


def _hallucination(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("Hallucination"))


def _flags() -> list[list[str]]:
    """In display order."""
    order = Assignment.objects.get().display_order
    flags = dict(RankedCompletion.objects.values_list("completion_id", "flags"))
    return [flags[pk] for pk in order]
