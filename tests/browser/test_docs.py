"""The API's documentation is drawn in a browser under the content security policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from accounts.models import User
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_documentation_shows_the_operations(browse: Open, rosa: User) -> None:
    page = browse(rosa)
    page.goto("/api/docs/")
    expect(page.get_by_text("/api/v1/assignments/claim/", exact=True)).to_be_visible()
