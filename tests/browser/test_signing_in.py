"""Signing in as people do: from the page they wanted, through the login, to where they land."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browser.conftest import Open
from tests.browser.pages import log_in
from tests.browser.scenes import demonstration_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADMIN, LABELING = "/admin/", "/"
# Each page of its own, and of the admin's tables those with a guard of their own or none; the walk
# over every address there is, without a browser, is in tests/frontend/test_landing.py.
WANTED = (
    "/", "/work/", "/work/ranking/", "/work/mine/", "/work/mine/1/", "/work/topics/",
    "/work/assignments/1/", "/guidelines/", "/password/", "/tokens/", "/preview/",
    "/admin/playground/", "/admin/versions/add/", "/admin/rating-form/", "/admin/", "/admin/login/",
    "/admin/accounts/user/", "/admin/labeling/ranking/", "/admin/labeling/quarantinedprompt/",
    "/admin/trainer/traininground/1/change/", "/admin/labeling/prompt/use-cases/",
)  # fmt: skip
REFUSED = re.compile("What you asked for|you asked for")


@pytest.mark.parametrize(
    ("role", "home"),
    [("ada", LABELING), ("rosa", ADMIN), ("olga", ADMIN), ("program", LABELING)],
)
def test_every_page_lets_in_whom_it_may(
    browse: Open, request: pytest.FixtureRequest, role: str, home: str
) -> None:
    user: User = request.getfixturevalue(role)
    client = Client()
    client.force_login(user)
    page = browse(None)
    # What a page looks like is for other tests: this one opens every page there is.
    page.route(re.compile(r"/static/|/words\.js|/jsi18n/"), lambda route: route.abort())
    for wanted in WANTED:
        page.context.clear_cookies()
        page.goto(wanted, wait_until="commit")
        expect(page).to_have_title("Log in · Tutelage")
        log_in(page, user)
        is_open = client.get(wanted, follow=True)
        landing = is_open.request["PATH_INFO"] if is_open.status_code == 200 else home
        assert (wanted, _path(page)) == (wanted, landing)
        if is_open.status_code != 200:
            expect(page.get_by_text(REFUSED)).to_be_attached()


def test_signing_in_through_the_admin(browse: Open, rosa: User) -> None:
    page = browse(None)
    page.goto("/admin/")
    log_in(page, rosa)
    page.wait_for_url("**/admin/")
    expect(page.get_by_role("link", name="Start a round")).to_be_visible()
    page.goto("/")
    page.wait_for_url("**/admin/")


def test_a_wrong_password_keeps_the_wish(browse: Open, rosa: User) -> None:
    page = browse(None)
    page.goto("/admin/trainer/traininground/add/")
    page.get_by_label("Username").fill("rosa")
    page.get_by_label("Password").fill("no")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, rosa)
    page.wait_for_url("**/admin/trainer/traininground/add/")


def test_a_labeler_lands_on_the_task_and_is_told_what_is_not_theirs(
    browse: Open, ada: User
) -> None:
    demonstration_task()
    page = browse(None)
    page.goto("/work/demonstration/")
    log_in(page, ada)
    page.wait_for_url("**/work/assignments/*/")
    page.context.clear_cookies()
    page.goto("/admin/")
    log_in(page, ada)
    expect(page.get_by_text("not open to your account")).to_be_visible()
    expect(page.get_by_role("heading", name="Good to see you, ada")).to_be_visible()
    page.reload()
    expect(page.get_by_text("not open to your account")).to_be_hidden()


def test_a_login_page_left_open_in_another_tab(browse: Open, olga: User) -> None:
    first = browse(None)
    first.goto("/admin/")
    second = first.context.new_page()
    second.goto("/work/topics/")
    log_in(first, olga)
    log_in(second, olga)
    second.wait_for_url("**/work/topics/")
    expect(second.get_by_role("heading", name="Topics")).to_be_visible()


def test_an_admin_goes_to_label_and_back(browse: Open, olga: User) -> None:
    page = browse(None)
    page.goto("/")
    log_in(page, olga)
    page.get_by_role("navigation").locator("a[href='/work/']").click()
    expect(page.get_by_role("heading", name="Good to see you, olga")).to_be_visible()
    page.get_by_role("banner").get_by_role("link", name="Admin", exact=True).click()
    page.wait_for_url("**/admin/")


def _path(page: Page) -> str:
    return urlsplit(page.url).path
