"""How texts are read: face, size and theme are kept, scripts run their way, pages speak German."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from labeling.models import RankedCompletion, Ranking
from labeling.work.guidelines import current_form, publish_form
from labeling.work.rating_form import FIRST_FORM
from tests.browser.conftest import Open
from tests.browser.scenes import COMPLETIONS, ranking_task
from tests.browser.test_rank import _begin

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ARABIC = "المد والجزر بسبب **جاذبية القمر**.\n\n- مد عالٍ\n\nEnglish after it."
CHINESE = "潮汐主要由**月球**的引力引起。" * 30
READING = "article.completion:visible .reading"


def test_face_size_and_theme_are_chosen_once(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    small = _size(page)
    page.get_by_label("Reading and account").click()
    for choice in ("Serif", "Largest", "Dark"):
        page.get_by_role("button", name=choice, exact=True).click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("data-face", "serif")
    assert _size(page) > 1.3 * small
    page.get_by_label("Reading and account").click()
    expect(page.get_by_role("button", name="Serif", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_each_paragraph_runs_as_its_script_does(browse: Open, ada: User) -> None:
    ranking_task((ARABIC, ARABIC))
    page = _begin(browse(ada))
    directions = page.locator(f"{READING} > *").evaluate_all(
        "blocks => blocks.map((block) => getComputedStyle(block).direction)"
    )
    assert directions == ["rtl", "rtl", "ltr"]


def test_chinese_breaks_its_lines_on_a_phone(browse: Open, ada: User) -> None:
    ranking_task((CHINESE, CHINESE))
    page = browse(ada)
    page.set_viewport_size({"width": 360, "height": 740})
    _begin(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_speaks_german_once_it_is_chosen(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada))
    page.get_by_label("Reading and account").click()
    page.get_by_label("Language", exact=True).select_option("de")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("heading", name="Antwort A")).to_be_visible()
    for key in ("6", "2", "6", "1", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Reihenfolge wie bewertet: stimmt")).to_be_visible()


def test_a_flag_that_was_added_has_its_key_on_the_next_task(browse: Open, ada: User) -> None:
    ranking_task(COMPLETIONS[:2])
    current_form()
    rude = {"name": "rude", "label": "Sounds rude", "group": "stance", "key": "r"}
    second = publish_form(fields={**FIRST_FORM, "flags": [*FIRST_FORM["flags"], rude]})
    page = _begin(browse(ada))
    for key in ("r", "6", "2", "Enter", "Enter", "Control+Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/work/ranking/")
    assert Ranking.objects.get().form == second
    assert RankedCompletion.objects.get(overall=6).flags == ["rude"]


def _size(page: Page) -> float:
    size = page.locator(READING).evaluate("text => parseFloat(getComputedStyle(text).fontSize)")
    return float(size)
