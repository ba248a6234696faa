"""A connection whose server went away is noticed, and a sound one is not asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other() -> Iterator[BaseDatabaseWrapper]:
    """A second connection, with a query behind it."""
    wrapper = connections.create_connection("default")
    _value(wrapper, "SELECT pg_backend_pid()")
    yield wrapper
    wrapper.close()


def test_a_sound_connection_is_usable_without_a_query(other: BaseDatabaseWrapper) -> None:
    pid = other.connection.info.backend_pid
    assert other.is_usable()
    last = _value(connection, "SELECT query FROM pg_stat_activity WHERE pid = %s", pid)
    assert last == "SELECT pg_backend_pid()"


def test_a_connection_whose_server_ended_is_not_usable(other: BaseDatabaseWrapper) -> None:
    pid = other.connection.info.backend_pid
    assert _value(connection, "SELECT pg_terminate_backend(%s, 5000)", pid)
    assert not other.is_usable()


def _value(wrapper: BaseDatabaseWrapper, query: str, *values: object) -> object:
    with wrapper.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()[0]
