"""A real Chromium against the live server; without one, these tests say so or, in CI, fail."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 10_000
QUIET_LOOKS = 3

Open = Callable[[User | None], Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is missing: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium: Browser, live_server: LiveServer) -> Iterator[Open]:
    """`browse(user)`: a page of a fresh browser session, logged in (`None`: as a visitor comes);
    errors in it fail the test."""
    contexts = []
    complaints: list[str] = []
    pending: set[Request] = set()

    def opened(user: User | None) -> Page:
        context = chromium.new_context(base_url=live_server.url)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if user:
            context.add_cookies([_session_cookie(user, live_server.url)])
        context.on("request", lambda request: pending.add(request))
        for over in ("requestfinished", "requestfailed"):
            context.on(over, lambda request: pending.discard(request))
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: _listen(line.type, line.text, complaints))
        return page

    yield opened
    for context in contexts:
        _let_pages_rest(context, pending)
        context.close()
    _let_requests_end()
    assert complaints == []


def _let_pages_rest(context: BrowserContext, pending: set[Request]) -> None:
    """Wait for what the pages have asked for, since the server goes on with it when they close."""
    deadline = time.monotonic() + PATIENCE_MS / 5000
    while pending and context.pages and time.monotonic() < deadline:
        context.pages[0].wait_for_timeout(50)


def _let_requests_end() -> None:
    """Wait for what the server still does for a closed page: emptying the tables would meet it."""
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND state <> 'idle'"
    )
    deadline, quiet = time.monotonic() + PATIENCE_MS / 1000, 0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(busy)
            quiet = 0 if cursor.fetchone()[0] else quiet + 1
        time.sleep(0.05)


def _session_cookie(user: User, url: str) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}


def _listen(kind: str, text: str, complaints: list[str]) -> None:
    # A failed request is a test's own doing; anything else a page complains of is a defect.
    if kind == "error" and "Failed to load resource" not in text:
        complaints.append(text)
