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
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from unfold.sites import UnfoldAdminSite

from accounts.models import User

_policy = csp_update({"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]})


class DeskSite(UnfoldAdminSite):
    """Unfold's site behind the product's own login and roles."""

    index_title = "Desk"
    index_template = "desk/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and request.user.runs_the_desk

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        return _policy(super().admin_view(view, cacheable))

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The product's login page; someone without the role is told so by the page itself."""
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", request.path))
