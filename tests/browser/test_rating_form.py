"""A researcher edits the rating form's flags, sees them as labelers will, and publishes them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from accounts.models import User
from labeling.work.guidelines import current_form
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_flag_is_added_moved_and_published_and_another_is_removed(
    browse: Open, rosa: User
) -> None:
    version = current_form().version
    page = browse(rosa)
    page.goto("/admin/rating-form/")
    rows = page.locator("tbody tr")
    flags = rows.count()
    page.get_by_role("button", name="Add a flag").click()
    added = rows.nth(flags)
    expect(added.get_by_label("Label")).to_be_focused()
    for label, text in (("Label", "Too long"), ("Name in the data", "too_long"), ("Key", "x")):
        added.get_by_label(label, exact=True).fill(text)
    added.get_by_label("Group").fill("Style")
    added.get_by_role("button", name="Earlier").click()
    expect(rows.nth(flags - 1).get_by_label("Label")).to_have_value("Too long")
    expect(page.locator(".form-preview .flag", has_text="Too long")).to_be_visible()

    rows.nth(0).get_by_role("button", name="Remove").click()
    expect(rows).to_have_count(flags)
    page.get_by_role("button", name="Publish version").click()
    expect(page.get_by_role("status")).to_contain_text(f"Version {version + 1} is published")
    published = [flag["name"] for flag in current_form().fields["flags"]]
    assert (len(published), published[-2]) == (flags, "too_long")
