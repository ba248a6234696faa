"""URLs of this app's API, below /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from accounts.api import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("tokens/", views.Tokens.as_view(), name="token-list"),
    path("tokens/<int:pk>/", views.Token.as_view(), name="token"),
    path("tokens/<int:pk>/rotate/", views.RotateToken.as_view(), name="token-rotate"),
]
