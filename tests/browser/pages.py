"""What browser tests share of the pages: how a person does the things every test begins with."""

from __future__ import annotations

from playwright.sync_api import Page

from accounts.models import User


def log_in(page: Page, user: User) -> None:
    """Fill in the login page that is shown, and wait for what comes after it."""
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(f"{user.username}-password")
    with page.expect_navigation(wait_until="commit"):
        page.get_by_role("button", name="Log in").click()
