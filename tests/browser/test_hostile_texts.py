"""The corpus of hostile texts on the real ranking page: nothing runs, loads, moves or disguises."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from labeling.models import LabelingTask
from tests.browser.conftest import Open
from tests.browser.scenes import ranking_task
from tests.frontend.corpus import CORPUS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LETTERS = 26
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""
# Elements, attributes and classes that no text may bring into a page.
INTRUDERS = """() => {
  const element = /^(script|style|link|meta|base|img|svg|iframe|form|input|button|dialog)$/i;
  const attribute = /^(on|data-|aria-|style$|id$|src|srcset$|ping$)/;
  const known = /^(hl|image|formula|table-scroll|[a-z]{1,2}[0-9]?)$/;
  const strange = (one) => element.test(one.tagName)
    || one.getAttributeNames().some((name) => attribute.test(name))
    || [...one.classList].some((name) => !known.test(name));
  const shown = [...document.querySelectorAll(".reading *, .card-text *")];
  return shown.filter(strange).map((one) => one.outerHTML.slice(0, 200));
}"""


class Watch:
    """What a page does that it should not."""

    def __init__(self, page: Page, home: str) -> None:
        self.dialogs: list[str] = []
        self.requests: list[str] = []
        self.pages: list[str] = []
        self.home = home
        page.add_init_script(LISTEN)
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self._note(request.url))
        page.context.on("page", lambda other: self.pages.append(other.url))

    def _note(self, url: str) -> None:
        if not url.startswith(self.home):
            self.requests.append(url)


def test_no_text_of_the_corpus_does_anything(
    browse: Open, live_server: LiveServer, ada: User
) -> None:
    _hostile_task()
    page = browse(ada)  # whatever reaches the console fails the test at its end
    watch = Watch(page, live_server.url)
    page.goto("/work/ranking/")
    page.wait_for_url("**/work/assignments/*/")
    address = page.url
    expect(page.get_by_role("heading", name="Completion A")).to_be_visible()
    expect(page.locator(".prompt .turn")).to_have_count(len(CORPUS) + 1)
    _walk(page)

    assert watch.dialogs == []
    assert watch.requests == []
    assert watch.pages == []
    assert page.evaluate("window.violations") == []
    assert page.evaluate(INTRUDERS) == []
    assert page.url == address
    assert page.title() == "Ranking · Tutelage"
    assert page.evaluate("document.baseURI") == address
    _expect_nothing_leaves_its_place(page)


def _hostile_task() -> None:
    """Every text alone as a turn of the conversation, and several together as a completion."""
    task = ranking_task(tuple("\n\n".join(CORPUS[at::LETTERS]) for at in range(LETTERS)))
    turns = [{"role": "assistant", "content": text} for text in CORPUS]
    prompt = LabelingTask.objects.get(pk=task.pk).asked
    prompt.messages = [*turns, {"role": "user", "content": "Well?"}]
    prompt.save()


def _walk(page: Page) -> None:
    """Rate every completion, so that each has been in sight, up to the board with its excerpts."""
    for _ in page.locator(".chip").all():
        page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("#rank .card").first).to_be_visible()
    page.locator("#rank .card").first.hover()
    page.locator(".prompt .turn").first.hover()
    page.locator(".prompt").evaluate("(prompt) => prompt.scrollTo(0, prompt.scrollHeight)")


def _expect_nothing_leaves_its_place(page: Page) -> None:
    """Marks heaped on a letter are cut off, and nothing makes the page wider than a phone."""
    overflow = page.locator(".prompt .reading").first.evaluate(
        "(one) => getComputedStyle(one).overflow"
    )
    assert re.fullmatch("clip( clip)?", overflow)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
