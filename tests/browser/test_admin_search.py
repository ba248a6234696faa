"""Somebody in the admin looks for a prompt by its words, and narrows a list by its filters."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from accounts.models import User
from labeling.models import Prompt
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task, ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_prompt_is_found_by_its_words(browse: Open, rosa: User) -> None:
    demonstration_task()
    ranking_task()
    basil = Prompt.objects.get(messages__icontains="basil")
    other = Prompt.objects.exclude(pk=basil.pk).get()
    page = browse(rosa)
    page.goto("/admin/labeling/prompt/")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("BASI alive")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("basil")
    page.get_by_role("link", name=str(basil.pk), exact=True).click()
    expect(page.get_by_text("How do I keep basil alive").first).to_be_visible()

    page.goto(f"/admin/labeling/prompt/?q={other.pk}")
    expect(rows).to_have_count(1)
    page.goto("/admin/labeling/prompt/")
    page.locator("a", has_text="Filters").first.click()
    page.get_by_role("textbox", name="author").fill("nobody")
    page.get_by_role("button", name="Apply Filters").click()
    expect(rows).to_have_count(0)
    assert "author=nobody" in page.url
