"""One's own API tokens over HTTP: list, make, rotate, revoke."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from accounts import tokens
from accounts.api.serializers import NewTokenSerializer, TokenBody, TokenSerializer
from accounts.models import Role, TokenGrant
from accounts.permissions import IsAnyRole, person
from accounts.scopes import SCOPES_OF_ROLE
from core.bodies import Sent, takes
from core.problems import refuse


class TokenRate(UserRateThrottle):
    """How many tokens an account makes or rotates at most; reading and revoking are not counted."""

    scope = "tokens"
    rate = "30/hour"

    def allow_request(self, request: Request, view: Any) -> bool:
        return request.method != "POST" or super().allow_request(request, view)


class Tokens(generics.ListAPIView):
    """My own API tokens, the newest first. POST makes one; its secret is in that answer alone."""

    permission_classes = [IsAnyRole]
    throttle_classes = [TokenRate]
    serializer_class = TokenSerializer
    pagination_class = None

    def get_queryset(self) -> QuerySet[TokenGrant]:
        return tokens.tokens_of(person(self.request))

    @takes(TokenBody, responses={201: NewTokenSerializer})
    def post(self, request: Request, sent: Sent) -> Response:
        user = person(request)
        useless = set(sent["scopes"]) - set(SCOPES_OF_ROLE[Role(user.role)])
        if useless:
            named = ", ".join(sorted(useless))
            refuse("scopes", f"Your role can do nothing with {named}. Leave it out.")
        grant, secret = tokens.create_token(user=user, by=user, **sent)
        return Response(NewTokenSerializer(grant, context={"secret": secret}).data, status=201)


class Token(APIView):
    """One token."""

    permission_classes = [IsAnyRole]

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Revoke one of my tokens; it ends at once. An admin revokes anybody's."""
        tokens.revoke_token(token_id=pk, by=person(request))
        return Response(status=204)


class RotateToken(APIView):
    """A new secret for one of my tokens."""

    permission_classes = [IsAnyRole]
    throttle_classes = [TokenRate]

    @extend_schema(request=None, responses=NewTokenSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """The old secret ends at once; name, scopes and how long it holds stay."""
        grant, secret = tokens.rotate_token(token_id=pk, by=person(request))
        return Response(NewTokenSerializer(grant, context={"secret": secret}).data)
