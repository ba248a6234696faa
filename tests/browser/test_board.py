"""The board: whole texts on its cards, cards beside it, and contradictions that are confirmed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from labeling.models import Assignment, Ranking
from tests.browser.conftest import Open
from tests.browser.scenes import ranking_task
from tests.browser.test_rank import _begin, _drag, _expect_board, _wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_card_off_the_board_is_ranked_before_the_review(browse: Open, ada: User) -> None:
    ranking_task()
    page = _at_the_board(browse(ada))
    _press(page, "b", "Backspace")
    _expect_board(page, ["A", "C", "D"])
    expect(page.get_by_text("Not ranked yet: B.")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("Completion B: not ranked yet")
    _wait_until_saved(page)

    page.reload()
    expect(page.get_by_role("button", name="1 is still to be ranked")).to_be_visible()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.letter") == "B"
    page.keyboard.press("ArrowUp")
    _expect_board(page, ["A", "C", "D", "B"])


def test_an_empty_board_is_filled_with_the_mouse(browse: Open, ada: User) -> None:
    ranking_task()
    page = browse(ada)
    page.set_viewport_size({"width": 1440, "height": 900})
    page = _at_the_board(page)
    page.get_by_role("button", name="Empty the board").click()
    _expect_board(page, [])
    _drag(page, "B", page.locator("[data-gap='0']"))
    _expect_board(page, ["B"])
    _drag(page, "A", page.locator("[data-band='0']"))
    _expect_board(page, ["A B"])


def test_a_card_shows_its_whole_text_and_all_of_them_on_the_next_board_too(
    browse: Open, ada: User
) -> None:
    ranking_task()
    ranking_task(question="Why is the sea salty?")
    page = _at_the_board(browse(ada))
    code = page.locator("#rank .card[data-letter='A'] .reading")
    expect(code).to_have_count(0)
    _press(page, "a", "o")
    expect(code).to_be_visible()
    _press(page, "o")
    expect(code).to_be_hidden()
    _press(page, "w", "Enter", "Control+Enter")
    page.wait_for_url("**/work/assignments/*/")
    expect(page.get_by_role("heading", name="Completion A")).to_be_visible()
    _press(page, "4", "3", "2", "1", "Enter")
    expect(page.locator("#rank .card .reading:visible")).to_have_count(4)


def test_a_contradiction_is_submitted_at_the_second_try(browse: Open, ada: User) -> None:
    ranking_task()
    page = _at_the_board(browse(ada))
    _press(page, "d", "Home", "Enter", "Control+Enter")
    expect(page.get_by_text("Submit once more if you mean it so.").first).to_be_visible()
    assert Assignment.objects.get(labeler=ada).state == "active"
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/ranking/")
    assert Ranking.objects.count() == 1


def test_the_untouched_order_is_confirmed_in_its_own_words(browse: Open, ada: User) -> None:
    ranking_task()
    page = _at_the_board(browse(ada))
    page.get_by_role("button", name="The order of my ratings is right").click()
    expect(
        page.get_by_text("You moved nothing: this is the order of your ratings.")
    ).to_be_visible()
    _press(page, "1", "ArrowDown")
    expect(page.get_by_role("button", name="This is my order")).to_be_visible()


def test_the_focus_survives_every_button_that_goes_away(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    page.get_by_role("button", name=re.compile("Read it")).click()
    page.get_by_role("button", name=re.compile("I have read it")).click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert _has_focus(page)
    _press(page, "4", "3", "2", "1", "Enter", "ArrowDown")
    page.get_by_role("button", name="Undo").click()
    assert _has_focus(page)
    page.get_by_role("button", name="Empty the board").click()
    assert _has_focus(page)
    page.keyboard.press("Alt+s")
    page.get_by_role("button", name="Keep it").click()
    assert _has_focus(page)


def _at_the_board(page: Page) -> Page:
    """Rated 4, 3, 2, 1: A first, D last."""
    _begin(page)
    _press(page, "4", "3", "2", "1", "Enter")
    _expect_board(page, ["A", "B", "C", "D"])
    return page


def _press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def _has_focus(page: Page) -> bool:
    return bool(page.evaluate("document.activeElement !== document.body"))
