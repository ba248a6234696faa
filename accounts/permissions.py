"""Who may use a page or an endpoint. The default is nobody; each one states its roles."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import Role, User

View = Callable[..., HttpResponse]

ADMIN_ROLES = (Role.RESEARCHER, Role.ADMIN)
EVERYONE = tuple(Role)


def allowed(*roles: Role) -> Callable[[View], View]:
    """Open a page to these roles (admins always); others are asked to log in or refused."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not may(request.user, roles):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.allowed_roles = roles  # type: ignore[attr-defined]
        return guarded

    return decorate


def may(user: Any, roles: tuple[Role, ...]) -> bool:
    """Whether the account is active and has one of the roles or is an admin."""
    return bool(user.is_active and (user.role in roles or user.role == Role.ADMIN))


def person(request: HttpRequest | Request) -> User:
    """Who asks, where only accounts get through."""
    assert isinstance(request.user, User), "the page or the endpoint lets nobody else through"
    return request.user


class Nobody(BasePermission):
    """The default of every endpoint that forgot to say who may use it."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class _HasRole(BasePermission):
    roles: tuple[Role, ...] = ()

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(
            request.user and request.user.is_authenticated and may(request.user, self.roles)
        )


class IsLabeler(_HasRole):
    """Labelers and admins."""

    roles = (Role.LABELER,)


class IsResearcher(_HasRole):
    """Researchers and admins."""

    roles = (Role.RESEARCHER,)


class IsAdmin(_HasRole):
    """Admins alone."""


class IsClient(_HasRole):
    """Programs that send users' prompts, and everyone who runs the admin."""

    roles = (Role.CLIENT, *ADMIN_ROLES)


class IsAnyRole(_HasRole):
    """Every account."""

    roles = EVERYONE
