"""Logging in leads where one wanted to go, or home with a sentence; never elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.config.test_urls import ENDPOINTS, OPEN, PLACES

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], Client]
NO_WISH = {"admin:logout", "session"}  # the way out, and what scripts ask
ENOUGH = 6  # redirects from a wish to a page, the login among them
PROTECTED = sorted(
    reverse(name, kwargs=PLACES[name].arguments)
    for name in PLACES.keys() - OPEN.keys() - ENDPOINTS.keys() - NO_WISH
)


def _log_in(client: Client, user: User, wanted: str) -> tuple[str, str]:
    """Ask for a page as a visitor does, and log in; where one lands, and what stands there."""
    asked = client.get(wanted, follow=True)
    assert asked.request["PATH_INFO"] == reverse("login")
    shown = asked.context["next"]
    body = {"username": user.username, "password": f"{user.username}-password", "next": shown}
    landed = client.post(reverse("login"), body, follow=True)
    assert landed.status_code == 200
    assert len(landed.redirect_chain) <= ENOUGH
    return landed.request["PATH_INFO"], landed.content.decode()


def _home(user: User) -> str:
    return reverse("admin:index") if user.runs_the_desk else reverse("home")


@pytest.mark.parametrize("role", ["ada", "rosa", "olga", "program"])
def test_every_protected_address_leads_to_itself_or_home(
    request: pytest.FixtureRequest, client_of: ClientOf, role: str
) -> None:
    user: User = request.getfixturevalue(role)
    allowed = client_of(user)
    for wanted in PROTECTED:
        open_to_them = allowed.get(wanted, follow=True)
        path, page = _log_in(Client(), user, wanted)
        if open_to_them.status_code == 200:
            assert path == open_to_them.request["PATH_INFO"]
        else:
            assert (wanted, path) == (wanted, _home(user))
            assert any(words in page for words in ("you asked for", "What you asked")), wanted


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://example.org/",
        "//example.org/x",
        "/\\example.org",
        "https:example.org",
        "javascript:alert(1)",
        "http://testserver@example.org/",
        "///example.org",
        "\thttp://[",
    ],
)
def test_no_login_leads_to_another_host(client: Client, ada: User, elsewhere: str) -> None:
    body = {"username": "ada", "password": "ada-password", "next": elsewhere}
    assert client.post(reverse("login"), body)["Location"] == "/"
    assert client.get(reverse("login"), {"next": elsewhere})["Location"] == "/"
    through_admin = client.get(reverse("admin:login"), {"next": elsewhere})
    assert through_admin["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("way", ["login", "logout", "admin:login", "admin:logout"])
def test_no_login_leads_to_the_way_in_or_out(client: Client, rosa: User, way: str) -> None:
    body = {"username": "rosa", "password": "rosa-password", "next": reverse(way)}
    assert client.post(reverse("login"), body)["Location"] == reverse("admin:index")
    again = client.get(reverse("login"), {"next": reverse(way)})
    assert again["Location"] == reverse("admin:index")


def test_logging_out_ends_on_the_one_login_page(client_of: ClientOf, rosa: User) -> None:
    for way in ("logout", "admin:logout"):
        client = client_of(rosa)
        for _ in range(2):  # the second time without a session
            assert client.post(reverse(way), follow=True).request["PATH_INFO"] == reverse("login")


def test_somebody_logged_in_is_still_refused_where_the_role_ends(
    client_of: ClientOf, ada: User
) -> None:
    client = client_of(ada)
    assert client.get("/admin/").status_code == 403
    assert client.get(reverse("admin:login"), {"next": "/admin/"}, follow=True).status_code == 403


def test_only_the_first_page_after_a_login_is_made_up_for(client: Client, ada: User) -> None:
    path, page = _log_in(client, ada, "/guidelines/")
    assert path == "/guidelines/"
    assert "you asked for" not in page
    assert client.get("/admin/").status_code == 403


def test_a_login_page_left_open_while_one_logged_in_elsewhere(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    old = client.get("/login/?next=/work/mine/").context["csrf_token"]
    new = {"username": "ada", "password": "ada-password"}
    token = str(client.get("/login/").context["csrf_token"])
    client.post("/login/", {**new, "csrfmiddlewaretoken": token})
    stale = {**new, "csrfmiddlewaretoken": str(old), "next": "/work/mine/"}
    landed = client.post("/login/?next=/work/mine/", stale, follow=True)
    assert (landed.request["PATH_INFO"], landed.status_code) == ("/work/mine/", 200)


def test_a_login_without_its_token_is_asked_for_once_more(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    body = {"username": "ada", "password": "ada-password"}
    again = client.post("/login/?next=/work/mine/", body, follow=True)
    assert again.request["PATH_INFO"] == "/login/"
    assert again.context["next"] == "/work/mine/"
    assert "Log in once more" in again.content.decode()
    assert client.post("/password/", {}).status_code == 403


def test_the_documentation_of_the_api_asks_people_to_log_in(client: Client, ada: User) -> None:
    assert _log_in(client, ada, reverse("docs"))[0] == reverse("docs")
