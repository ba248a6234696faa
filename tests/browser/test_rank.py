"""A labeler rates and ranks four completions, with keys alone and with the mouse alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from labeling.models import Assignment, RankedCompletion, Ranking
from tests.browser.conftest import Open
from tests.browser.scenes import ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RATINGS = (6, 2, 6, 1)  # in display order: A and C open tied
MOST_KEYSTROKES = 20
LISTENS = ".steps [aria-current]"  # the script has marked the step, so keys are heard
FOLLOWED_MS = 120  # the board looks under the pointer every 50 ms


class Keys:
    """Presses keys and counts them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.count += 1


def test_keys_pressed_before_the_scripts_came_are_not_lost(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    held: list[Route] = []
    page.route("**/js/app*.js", lambda route: held.append(route))
    page.reload(wait_until="commit")
    expect(page.get_by_role("heading", name="Completion A")).to_be_visible()
    for key in ("6", "2", "6"):
        page.keyboard.press(key)
    expect(page.locator(LISTENS)).not_to_be_attached()
    held.pop().continue_()
    expect(page.locator(LISTENS)).to_be_attached()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    _expect_board(page, ["A C", "B", "D"])


def test_it_ranks_with_keys_alone(browse: Open, ada: User) -> None:
    task = ranking_task()
    page = _begin(browse(ada))
    keys = Keys(page)

    keys.press("6", "2", "6", "1", "Enter")
    _expect_board(page, ["A C", "B", "D"])
    keys.press("d", "ArrowUp")  # D joins B
    _expect_board(page, ["A C", "B D"])
    keys.press("c", "ArrowUp")  # C leaves its tie and stands alone at the top
    _expect_board(page, ["C", "A", "B D"])
    _wait_until_saved(page)

    page.reload()
    _expect_board(page, ["C", "A", "B D"])
    keys.press("Enter")
    expect(page.get_by_role("button", name="Submit")).to_be_visible()
    keys.press("Control+Enter")
    page.wait_for_url("**/work/ranking/")

    _expect_stored(task.pk, ada, ["C", "A", "B D"])
    assert keys.count <= MOST_KEYSTROKES


def test_it_ranks_with_the_mouse_alone(browse: Open, ada: User) -> None:
    task = ranking_task()
    page = _begin(browse(ada))

    for rating in RATINGS:
        page.get_by_role("button", name=str(rating), exact=True).click()
    page.get_by_role("button", name="Rank them").click()
    _expect_board(page, ["A C", "B", "D"])
    _drag(page, "D", page.locator("[data-band='1']"))
    _expect_board(page, ["A C", "B D"])
    _drag(page, "C", page.locator("[data-gap='0']"))
    _expect_board(page, ["C", "A", "B D"])
    _wait_until_saved(page)

    page.reload()
    _expect_board(page, ["C", "A", "B D"])
    page.get_by_role("button", name="This is my order").click()
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/work/ranking/")

    _expect_stored(task.pk, ada, ["C", "A", "B D"])


def test_letters_toggle_flags_and_arrows_go_back(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    page.keyboard.press("h")
    expect(page.get_by_role("button", name="Hallucination")).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("3")
    expect(page.get_by_role("heading", name="Completion B")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name="Completion A")).to_be_visible()
    expect(page.get_by_role("button", name="3", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_undo_and_redo_and_a_held_card_put_back(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    keys = Keys(page)
    keys.press("4", "3", "2", "1", "Enter", "ArrowDown")
    _expect_board(page, ["A B", "C", "D"])
    keys.press("Control+z")
    _expect_board(page, ["A", "B", "C", "D"])
    keys.press("Control+Shift+Z")
    _expect_board(page, ["A B", "C", "D"])
    keys.press("Space", "ArrowDown", "ArrowDown", "Escape")
    _expect_board(page, ["A B", "C", "D"])


def test_every_move_is_announced_and_the_focus_stays_on_the_card(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    Keys(page).press("4", "3", "2", "1", "Enter", "c", "ArrowUp")
    expect(page.locator("#announcer")).to_have_text("Completion C: rank 2 of 3, tied with B")
    assert page.evaluate("document.activeElement.dataset.letter") == "C"


def test_the_review_shows_a_contradiction_and_leads_back(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    keys = Keys(page)
    keys.press("6", "5", "4", "2", "Enter", "d", "Home", "Enter")
    expect(page.get_by_text("D (2/7) stands above A (6/7), B (5/7), and C (4/7).")).to_be_visible()
    keys.press("1")
    _expect_board(page, ["D", "A", "B", "C"])


def test_nothing_scrolls_sideways_on_a_phone(browse: Open, ada: User) -> None:
    wide = "| " + " | ".join(["a long heading"] * 9) + " |\n" + "|---" * 9 + "|"
    ranking_task((wide, "```\n" + "x" * 400 + "\n```", "w" * 300, "https://e.example/" + "y" * 200))
    page = browse(ada)
    page.set_viewport_size({"width": 360, "height": 740})
    _begin(page)
    for rating in RATINGS:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.keyboard.press(str(rating))
    page.keyboard.press("Enter")
    _expect_board(page, ["A C", "B", "D"])
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_never_says_which_model_wrote_what(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    assert "hidden-model" not in page.content()


def test_the_help_sheet_lists_the_keys_of_the_page(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys on this page")
    expect(sheet.get_by_text("Overall quality")).to_be_visible()
    expect(sheet.get_by_text("Hallucination")).to_be_visible()


def _begin(page: Page) -> Page:
    page.goto("/work/ranking/")
    page.wait_for_url("**/work/assignments/*/")
    expect(page.get_by_role("heading", name="Completion A")).to_be_visible()
    return page


def _drag(page: Page, letter: str, target: object) -> None:
    """Press, move in steps, release: a hand on a mouse."""
    start = page.locator(f".card[data-letter='{letter}']:visible").bounding_box()
    page.mouse.move(start["x"] + 20, start["y"] + 12)
    page.mouse.down()
    page.mouse.move(start["x"] + 26, start["y"] + 20, steps=4)
    goal = target.bounding_box()
    page.mouse.move(goal["x"] + goal["width"] / 3, goal["y"] + goal["height"] / 2, steps=12)
    page.wait_for_timeout(FOLLOWED_MS)
    page.mouse.up()


def _expect_board(page: Page, bands: list[str]) -> None:
    """Bands from best to worst; within one the order means nothing."""
    shown = page.locator("#rank .band")
    expect(shown).to_have_count(len(bands))
    for at, letters in enumerate(bands):
        for letter in letters.split():
            expect(shown.nth(at).locator(f"[data-letter='{letter}']")).to_be_visible()
        expect(shown.nth(at).locator(".card")).to_have_count(len(letters.split()))


def _wait_until_saved(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text(re.compile(r"Saved \d"))


def _expect_stored(task: int, labeler: User, bands: list[str]) -> None:
    ranking = Ranking.objects.get(task=task, labeler=labeler)
    order = Assignment.objects.get(task=task, labeler=labeler).display_order
    assert ranking.display_order == order
    rows = {row.completion_id: row for row in RankedCompletion.objects.filter(ranking=ranking)}
    ranks = {letter: rows[pk].rank for letter, pk in zip("ABCD", order, strict=True)}
    assert ranks == {letter: at + 1 for at, band in enumerate(bands) for letter in band.split()}
    assert [rows[pk].overall for pk in order] == list(RATINGS)
