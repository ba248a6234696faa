"""Where people land after logging in: on the page they wanted, or on the home of their role."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.permissions import person

ARRIVING = "arriving"  # in the session: logged in, and no page shown since
SENTENCES = {
    HTTPStatus.FORBIDDEN: _("The page you asked for is not open to your account. This one is."),
    HTTPStatus.NOT_FOUND: _("There is nothing for you at the address you asked for. Begin here."),
    HTTPStatus.METHOD_NOT_ALLOWED: _("What you asked for is no page of its own. Begin here."),
}
_NO_DESTINATION = ("home", "login", "logout", "admin:login", "admin:logout")


def home_of(request: HttpRequest) -> str:
    """The address where this person's work is: the admin, or the labeler's first page."""
    return reverse("admin:index" if person(request).runs_the_desk else "home")


def is_destination(url: str) -> bool:
    """Whether somebody can have wanted to go there: not the way in or out, nor just "home"."""
    return urlsplit(url).path not in map(reverse, _NO_DESTINATION)


class Landing:
    """Brings whoever has just logged in home, with a sentence, from a page that refuses them.

    Whether a page is open is for the page alone to say, so it is asked, and redirects are followed,
    before anything is said about it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not _is_page(request, response) or not request.session.pop(ARRIVING, False):
            return response
        sentence = SENTENCES.get(HTTPStatus(response.status_code))
        if sentence is None:
            return response
        messages.info(request, sentence)
        return redirect(home_of(request))


def _is_page(request: HttpRequest, response: HttpResponseBase) -> bool:
    is_html = response.headers.get("Content-Type", "").startswith("text/html")
    is_redirect = "Location" in response.headers
    return request.method == "GET" and is_html and not is_redirect
