"""One's own API tokens on their page: made, copied, rotated, revoked, by mouse and by keys."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Page, expect

from accounts.models import TokenGrant, User
from accounts.tokens import create_token
from tests.browser.conftest import Open
from tests.browser.test_axe import now

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def fresh_counts() -> None:
    """The rate is counted by account in the cache, which outlives a test's rows."""
    cache.clear()


def _status(secret: str) -> int:
    authorization = {"authorization": f"Token {secret}"}
    return Client().get("/api/v1/tokens/", headers=authorization).status_code


def _shown(page: Page) -> str:
    """The secret in the dialog that shows it once."""
    dialog = page.get_by_role("dialog", name="Copy the token now")
    expect(dialog).to_be_visible()
    return dialog.get_by_label("Token").input_value()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_is_made_copied_rotated_and_revoked(browse: Open, ada: User, theme: str) -> None:
    page = browse(ada)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.goto("/")
    page.get_by_label("Reading and account").click()
    page.get_by_role("link", name="API tokens").click()
    expect(page.get_by_text("You have no token yet")).to_be_visible()
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_have_text(
        "Write what the token is for, so that you know it again."
    )
    expect(page.get_by_label("What it is for")).to_be_focused()
    found = now(page, "refused")

    page.get_by_label("What it is for").fill("Notebook")
    page.get_by_label("Take tasks, keep drafts and submit labels").check()
    page.get_by_label("How long it holds").select_option("30")
    page.get_by_role("button", name="Make it").click()
    first = _shown(page)
    found += now(page, "made")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == first
    grant = TokenGrant.objects.get()
    assert (grant.name, grant.scopes, _status(first)) == ("Notebook", ["label", "read"], 200)
    with page.expect_navigation():  # the page comes anew, without the secret
        page.get_by_role("button", name="I have it").click()
    expect(page.get_by_role("heading", name="Notebook")).to_be_visible()
    assert first not in page.content()

    page.get_by_role("button", name="Rotate Notebook").click()
    question = page.get_by_role("dialog", name="Rotate this token?")
    found += now(page, "asked")
    question.get_by_role("button", name="Leave it as it is").click()
    expect(question).to_be_hidden()
    assert _status(first) == 200
    page.get_by_role("button", name="Rotate Notebook").click()
    question.get_by_role("button", name="Rotate").click()
    second = _shown(page)
    assert (_status(first), _status(second)) == (401, 200)
    with page.expect_navigation():  # the page comes anew, without the secret
        page.get_by_role("button", name="I have it").click()

    page.get_by_role("button", name="Revoke Notebook").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("You have no token yet")).to_be_visible()
    assert _status(second) == 401
    assert not found, "\n".join(found)


def test_it_is_done_by_keys_alone(browse: Open, program: User) -> None:
    grant, old = create_token(user=program, name="Feed")
    page = browse(program)
    page.goto("/tokens/")
    page.get_by_role("button", name="Rotate Feed").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Rotate this token?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    secret = _shown(page)
    with page.expect_navigation():
        page.keyboard.press("Escape")
    assert (_status(old), _status(secret)) == (401, 200)
    page.get_by_label("What it is for").fill("Second")
    page.keyboard.press("Enter")
    assert _shown(page) != secret
    assert TokenGrant.objects.exclude(pk=grant.pk).get().scopes == ["read"]
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Second")).to_be_visible()


def test_one_that_was_revoked_elsewhere_is_told(browse: Open, rosa: User) -> None:
    create_token(user=rosa, name="Notebook")
    page = browse(rosa)
    page.goto("/tokens/")
    TokenGrant.objects.all().delete()
    page.get_by_role("button", name="Revoke Notebook").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("alert").filter(has_text="There is no such token")).to_be_visible()


def test_a_long_name_fits_a_narrow_window(browse: Open, olga: User) -> None:
    create_token(user=olga, name="n" * 80, scopes=["read", "label", "prompts", "rounds", "admin"])
    page = browse(olga)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/tokens/")
    expect(page.get_by_role("button", name="Revoke nnn")).to_be_visible()
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) <= 360
    page.get_by_label("What it is for").fill("Another")
    page.get_by_role("button", name="Make it").click()
    assert _shown(page)
    assert page.evaluate(width) <= 360
