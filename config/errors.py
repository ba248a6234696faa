"""The answers of last resort: problem documents below /api/, pages elsewhere."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views import defaults

from core.problems import problem_page


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404 for an address that leads nowhere."""
    if _asks_the_api(request):
        return problem_page(404, "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponseBase:
    """500 for an error nobody expected; the log has it."""
    if _asks_the_api(request):
        return problem_page(500, "Something went wrong here; it is in the server's log.")
    return defaults.server_error(request)


def _asks_the_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
