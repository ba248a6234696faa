"""The fixed cast of every test: labelers, a researcher, an admin, a program, and their clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.models import Role, User
from accounts.services import create_user


@pytest.fixture(autouse=True)
def plain_static_files(settings: pytest.FixtureRequest) -> None:
    """Tests run without collectstatic, so names are not hashed."""
    settings.STORAGES = {  # type: ignore[attr-defined]
        **settings.STORAGES,  # type: ignore[attr-defined]
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(autouse=True)
def quick_passwords(settings: pytest.FixtureRequest) -> None:
    """Hashing slowly is for production."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


def _person(name: str, role: Role) -> User:
    user, _ = create_user(name=name, role=role, password=f"{name}-password")
    return user


@pytest.fixture
def ada(db: None) -> User:
    """A labeler."""
    return _person("ada", Role.LABELER)


@pytest.fixture
def ben(db: None) -> User:
    """Another labeler."""
    return _person("ben", Role.LABELER)


@pytest.fixture
def rosa(db: None) -> User:
    """A researcher."""
    return _person("rosa", Role.RESEARCHER)


@pytest.fixture
def olga(db: None) -> User:
    """An admin."""
    return _person("olga", Role.ADMIN)


@pytest.fixture
def program(db: None) -> User:
    """A program that speaks to the API."""
    return _person("program", Role.CLIENT)


@pytest.fixture
def client_of() -> Iterator[object]:
    """`client_of(user)`: a test client logged in as that person."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    yield make
