"""URLs of this app's API, below /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from models_service.api.playground import PlaygroundView, TrialView
from models_service.api.views import (
    BestOfVersion,
    PromptedVersion,
    VersionDetail,
    VersionKey,
    VersionList,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("versions/", VersionList.as_view(), name="version-list"),
    path("versions/prompted/", PromptedVersion.as_view(), name="version-prompted"),
    path("versions/best-of/", BestOfVersion.as_view(), name="version-best-of"),
    path("versions/<int:pk>/key/", VersionKey.as_view(), name="version-key"),
    path("versions/<int:pk>/", VersionDetail.as_view(), name="version"),
    path("playground/", PlaygroundView.as_view(), name="playground-start"),
    path("playground/<uuid:name>/", TrialView.as_view(), name="playground-trial"),
]
