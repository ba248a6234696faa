"""API tokens: made, used, rotated, revoked. knox keeps the hash and the end, a grant the rest."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from knox.models import AuthToken

from accounts.audit import Act, record
from accounts.models import Role, TokenGrant, User
from core.problems import Problem

DEFAULT_DAYS = 90
MAX_DAYS = 3650
# Each use is not worth a write.
_LAST_USE_EVERY = timedelta(minutes=1)


def tokens_of(user: User) -> QuerySet[TokenGrant]:
    """An account's tokens, the newest first; also those that have run out and were not used since.

    knox removes what has run out when the account next comes with any token.
    """
    return TokenGrant.objects.filter(token__user=user).select_related("token").order_by("-pk")


@transaction.atomic
def create_token(
    *,
    user: User,
    name: str = "",
    scopes: Collection[str] = (),
    days: int = DEFAULT_DAYS,
    by: User | None = None,
) -> tuple[TokenGrant, str]:
    """Make an API token for `Authorization: Token …`; only its hash is stored.

    Args:
        scopes: What it is limited to; none leaves it all that the account's role may.
        days: How long it holds.
        by: Who makes it; None for a command.

    Returns:
        The grant and the secret, which is kept nowhere else.
    """
    token, secret = AuthToken.objects.create(user=user, expiry=timedelta(days=days))
    grant = TokenGrant.objects.create(token=token, name=name, scopes=sorted(scopes))
    detail = {"token": grant.pk, "scopes": grant.scopes, "days": days}
    record(act=Act.TOKEN_ADDED, by=by, target=user, detail=detail)
    return grant, str(secret)


@transaction.atomic
def rotate_token(*, token_id: int, by: User) -> tuple[TokenGrant, str]:
    """Give one of my tokens a new secret, for as long as it held before; the old one ends at once.

    Raises Problem 404 where I have no such token.
    """
    grant = _locked(tokens_of(by), token_id)
    old = grant.token
    lasts = old.expiry - old.created if old.expiry else None
    grant.token, secret = AuthToken.objects.create(user=by, expiry=lasts)
    grant.last_used_at = None
    grant.save(update_fields=["token", "last_used_at"])
    old.delete()
    record(act=Act.TOKEN_ROTATED, by=by, target=by, detail={"token": grant.pk})
    return grant, str(secret)


@transaction.atomic
def revoke_token(*, token_id: int, by: User) -> None:
    """End one of my tokens; an admin ends anybody's. Raises Problem 404 where there is none."""
    everybody_s = TokenGrant.objects.select_related("token")
    grant = _locked(everybody_s if by.role == Role.ADMIN else tokens_of(by), token_id)
    _end(grant, by=by)


@transaction.atomic
def revoke_tokens_of(user: User) -> int:
    """End all tokens of an account that changes its password; returns how many there were."""
    grants = list(tokens_of(user).select_for_update(of=("self",)))
    for grant in grants:
        _end(grant, by=user)
    return len(grants)


def use_token(token: AuthToken) -> TokenGrant:
    """The grant of a token that was just shown, with its last use noted."""
    # A token has none that was made while an earlier version still ran beside this one.
    grant, _ = TokenGrant.objects.get_or_create(token=token)
    now = timezone.now()
    if grant.last_used_at is None or grant.last_used_at < now - _LAST_USE_EVERY:
        TokenGrant.objects.filter(pk=grant.pk).update(last_used_at=now)
    return grant


def _locked(grants: QuerySet[TokenGrant], pk: int) -> TokenGrant:
    grant = grants.select_for_update(of=("self",)).filter(pk=pk).first()
    if grant is None:
        raise Problem(404, "There is no such token: it may have been revoked already.")
    return grant


def _end(grant: TokenGrant, *, by: User) -> None:
    record(act=Act.TOKEN_REVOKED, by=by, target=grant.token.user, detail={"token": grant.pk})
    grant.token.delete()
