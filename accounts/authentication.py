"""How the API knows who asks: by a token, else by the session of a page."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import TokenGrant
from accounts.scopes import demand
from accounts.tokens import use_token


class ApiToken(TokenAuthentication):
    """knox's tokens; first in the list, so that who is not known gets 401 with WWW-Authenticate."""

    def authenticate(self, request: Request) -> Any:
        """Account and token; None where no token came.

        Raises AuthenticationFailed, and Problem 403 where the token's scopes leave this address
        out. Here and not in a permission, so that no view can forget to ask.
        """
        found = super().authenticate(request)
        if found is not None:
            place = request.resolver_match
            demand(
                _used(found[1]).scopes,
                route=place.route if place else "",
                method=request.method or "",
            )
        return found

    def authenticate_credentials(self, token: bytes) -> Any:
        """Account and token. Raises AuthenticationFailed, also for bytes that are no text."""
        try:
            token.decode("ascii")
        except UnicodeDecodeError:
            raise AuthenticationFailed("The token holds signs that no token has.") from None
        return super().authenticate_credentials(token)

    def authenticate_header(self, request: Request) -> str:
        """What WWW-Authenticate asks for; a browser shows no window of its own for it."""
        return "Token"


def _used(token: AuthToken) -> TokenGrant:
    try:
        return use_token(token)
    except IntegrityError:
        # It went between knox's look and ours.
        raise AuthenticationFailed("This token was just rotated or revoked.") from None


class _InTheSchema(OpenApiAuthenticationExtension):
    """Found by drf-spectacular once this module is read."""

    target_class = "accounts.authentication.ApiToken"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Authorization: Token …`; `/api/v1/tokens/` makes one.",
        }
