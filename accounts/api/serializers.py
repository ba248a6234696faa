"""Shapes of API tokens on the wire."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import TokenGrant
from accounts.scopes import Scope
from accounts.tokens import DEFAULT_DAYS, MAX_DAYS


class TokenSerializer(serializers.ModelSerializer[TokenGrant]):
    """A token without its secret."""

    created_at = serializers.DateTimeField(source="token.created", read_only=True)
    expires_at = serializers.DateTimeField(source="token.expiry", read_only=True, allow_null=True)

    class Meta:
        model = TokenGrant
        fields: tuple[str, ...] = (
            "id",
            "name",
            "scopes",
            "created_at",
            "expires_at",
            "last_used_at",
        )


class NewTokenSerializer(TokenSerializer):
    """A token just made or rotated: the one answer that holds its secret."""

    token = serializers.SerializerMethodField(help_text="The secret; it is not shown again.")

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "token")

    def get_token(self, grant: TokenGrant) -> str:
        return self.context["secret"]


class TokenBody(serializers.Serializer):
    """What a new token is to be."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.MultipleChoiceField(
        choices=Scope.choices, default=set, help_text="None: all that the account's role may do."
    )
    days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=DEFAULT_DAYS)
