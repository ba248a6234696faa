"""Things stand where they are looked for: nothing lies over what is read, nothing jumps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from tests.browser.conftest import Open
from tests.browser.pages import log_in
from tests.browser.scenes import COMPLETIONS, demonstration_task, ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Begin = Callable[..., Page]
LONG = " ".join(["The Moon pulls on the water and the water follows."] * 40)


@pytest.fixture
def begin(browse: Open, ada: User) -> Begin:
    """`begin(width=768)`: logged in, and a task of the kind is shown."""

    def opened(kind: str = "ranking", *, width: int = 1440, height: int = 900) -> Page:
        page = browse(None)
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"/work/{kind}/")
        log_in(page, ada)
        page.wait_for_url("**/work/assignments/*/")
        return page

    return opened


def test_the_pointer_over_a_flag_does_not_look_as_if_it_were_set(begin: Begin) -> None:
    ranking_task()
    page = begin()
    for target in (page.locator(".flag").first, page.locator(".scale-key").first):
        idle = _look(target)
        target.hover()
        hovered = _look(target)
        assert {key: hovered[key] for key in ("borderColor", "color")} == {
            key: idle[key] for key in ("borderColor", "color")
        }
    page.locator(".flag").first.click()
    assert _look(page.locator(".flag").first)["borderColor"] != idle["borderColor"]


@pytest.mark.parametrize("width", [360, 768, 1024, 1440, 1920])
def test_after_a_submit_the_pointer_rests_on_no_flag(begin: Begin, width: int) -> None:
    ranking_task()
    ranking_task(question="And why two a day?")
    page = begin(width=width)
    page.route("**/alike/", lambda route: route.abort())
    _press(page, "4", "3", "2", "1", "Enter", "Enter")
    submit = page.get_by_role("button", name="Submit, and on to the next")
    box = submit.bounding_box()
    assert box
    with page.expect_response("**/submit/*"):
        submit.click()
    expect(page.get_by_text("And why two a day?")).to_be_visible()
    for across in (0.1, 0.5, 0.9):
        at = [box["x"] + box["width"] * across, box["y"] + box["height"] / 2]
        under = page.evaluate("([x, y]) => document.elementFromPoint(x, y)?.closest('.flag')", at)
        assert under is None


def test_pinning_moves_nothing(begin: Begin) -> None:
    ranking_task((LONG, *COMPLETIONS[1:]))
    page = begin()
    _press(page, "4", "3", "2", "1", "Enter")
    expect(page.locator("#rank .band")).to_have_count(4)
    before = _places(page)
    _press(page, "p", "ArrowRight")
    expect(page.locator("[data-reader-target=pinned]")).to_be_visible()
    assert _places(page) == before
    _press(page, "x")
    assert _places(page) == before
    page.evaluate("scrollTo(0, document.body.scrollHeight)")  # past the notice above
    for pane in ("current", "pinned"):
        _expect_in_window(page.locator(f"[data-reader-target={pane}]"))


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_tied_cards_stand_at_one_height_with_their_whole_texts_too(
    begin: Begin, width: int
) -> None:
    ranking_task((LONG, *COMPLETIONS[1:]))
    page = begin(width=width)
    _press(page, "4", "4", "4", "1", "Enter")
    expect(page.locator("#rank .band")).to_have_count(2)
    for whole in (False, True):
        if whole:
            page.locator("#rank .card").first.focus()
            _press(page, "w")
        cards = page.locator("#rank .band").first.locator(".card").all()
        boxes = [card.bounding_box() for card in cards]
        assert len(boxes) == 3
        assert len({round(box["y"]) for box in boxes if box}) == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_no_flag_is_clipped_on_a_tablet(begin: Begin) -> None:
    ranking_task()
    page = begin(width=768, height=1024)
    flags = page.locator(".flags")
    assert flags.evaluate("box => box.scrollHeight <= box.clientHeight")
    for flag in page.locator(".flag").all():
        _expect_in_window(flag)


def test_no_button_covers_a_card_on_a_phone(begin: Begin) -> None:
    ranking_task()
    page = begin(width=360, height=740)
    _press(page, "4", "3", "2", "1", "Enter")
    for letter in "abcd":
        _press(page, letter)
        card = page.locator("#rank .card[aria-selected=true]")
        assert card.evaluate("""card => {
            const { left, top, bottom, width } = card.getBoundingClientRect();
            return [top + 2, (top + bottom) / 2, bottom - 2].every((y) =>
                card.contains(document.elementFromPoint(left + width / 2, y)));
        }""")


@pytest.mark.parametrize("size", [(1440, 900), (1024, 600), (768, 1024), (360, 740)])
def test_the_editor_ends_above_the_way_on(begin: Begin, size: tuple[int, int]) -> None:
    demonstration_task(LONG)
    page = begin("demonstration", width=size[0], height=size[1])
    editor = page.get_by_label("The response you would want")
    editor.fill("\n".join(["One more line."] * 60))
    below = page.locator(".submit-row")
    for scroll in ("0", "document.body.scrollHeight"):
        page.evaluate(f"scrollTo(0, {scroll})")
        text, foot = editor.bounding_box(), below.bounding_box()
        assert text and foot
        assert text["y"] + text["height"] <= foot["y"] + 1


def test_a_menu_closes_with_escape_and_with_a_press_elsewhere(begin: Begin) -> None:
    demonstration_task()
    page = begin("demonstration")
    menu, panel = page.get_by_label("Reading and account"), page.locator(".menu-panel")
    menu.click()
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    panel.get_by_role("button", name="Dark").click()
    expect(panel).to_be_visible()
    page.locator(".prompt").click()
    expect(panel).to_be_hidden()


def _look(target: Locator) -> dict[str, str]:
    look = """one => {
        const { borderColor, color } = getComputedStyle(one);
        return { borderColor, color };
    }"""
    target.evaluate("one => Promise.all(one.getAnimations().map((motion) => motion.finished))")
    found: dict[str, str] = target.evaluate(look)
    return found


def _places(page: Page) -> list[Any]:
    """Where the prompt, the board, each card and the text that is read begin, and how wide."""
    read = ".prompt, .board, #rank .card, [data-reader-target=current]"
    found: list[Any] = page.locator(read).evaluate_all("""all => all.map((one) => {
        const { left, top, width } = one.getBoundingClientRect();
        return [left, top, width].map(Math.round);
    })""")
    return found


def _expect_in_window(one: Locator) -> None:
    assert one.evaluate("""one => {
        const { left, top, right, bottom } = one.getBoundingClientRect();
        return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
    }""")


def _press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
