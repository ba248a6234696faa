"""The answers of last resort: problem documents below /api/, pages elsewhere."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views import defaults

from core.outages import Outage, outage_of
from core.problems import problem_page


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404 for an address that leads nowhere."""
    if _asks_the_api(request):
        return problem_page(404, "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponseBase:
    """503 or 507 while something is away or full, 500 for an error nobody expected."""
    if outage := outage_of(sys.exc_info()[1]):
        return _out_of_order(request, outage)
    if _asks_the_api(request):
        return problem_page(500, "Something went wrong here; it is in the server's log.")
    return defaults.server_error(request)


def _out_of_order(request: HttpRequest, outage: Outage) -> HttpResponseBase:
    response: HttpResponseBase
    if _asks_the_api(request):
        response = problem_page(outage.status, str(outage.detail))
    else:
        # Without the request: what the context processors look up is what may be away.
        response = render(None, "out_of_order.html", {"outage": outage}, status=outage.status)
    response["Retry-After"] = str(outage.wait)
    return response


def _asks_the_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
