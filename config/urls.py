"""Every URL of the project: the pages, the versioned API, the admin and the probes."""

from __future__ import annotations

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.i18n import JavaScriptCatalog
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.permissions import EVERYONE, allowed
from operations import probes

# Its page has a style element of its own; scripts stay under the strict policy.
_docs = csp_update({"style-src": [UNSAFE_INLINE]})(
    allowed(*EVERYONE)(SpectacularSwaggerSplitView.as_view(url_name="schema"))
)

# Django's words for the admin's scripts, secret to nobody: a session that ends while a page loads
# would otherwise have the login page run as a script.
_admin_words = login_not_required(JavaScriptCatalog.as_view(packages=["django.contrib.admin"]))

urlpatterns = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", _docs, name="docs"),
    path("api/v1/", include("labeling.api.urls")),
    path("api/v1/", include("trainer.api.urls")),
    path("api/v1/", include("models_service.api.urls")),
    path("api/v1/", include("accounts.api.urls")),
    # Some of its pages are the admin's, whose own addresses take all that is left of theirs.
    path("", include("frontend.urls")),
    path("admin/jsi18n/", _admin_words),
    path("admin/", admin.site.urls),
]

handler404 = "config.errors.not_found"
handler500 = "config.errors.failed"
