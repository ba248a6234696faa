"""The admin site: open to researchers and admins, with the one exception from the page rules.

Its theme is built on Alpine, which evaluates expressions from attributes and writes style
attributes; pages below /admin/, and no others, may therefore do both. Scripts still come from this
server alone, and nothing inline runs. See docs/decisions/0006-admin-content-security.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.permissions import ADMIN_ROLES, allowed

_policy = csp_update({"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]})


class DeskSite(UnfoldAdminSite):
    """Unfold's site behind the product's own login and roles."""

    index_title = "Admin"
    index_template = "admin_home/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and request.user.runs_the_desk

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """The guard of every other page comes before Django's own, which would ask somebody who is
        logged in, but without the role, to log in."""
        return _policy(allowed(*ADMIN_ROLES)(super().admin_view(view, cacheable)))

    @method_decorator(login_not_required)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The product's login page, which knows where to go."""
        query = request.GET.urlencode(safe="/")
        return redirect(f"{reverse('login')}?{query}" if query else reverse("login"))

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The product's page, which can end the account's tokens too."""
        return redirect("password_change")

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The product's way out, which ends on its login page."""
        return LogoutView.as_view()(request)
