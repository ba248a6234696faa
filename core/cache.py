"""Django's cache in Redis, with one client for all that is asked."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.core.cache.backends import redis


class _Client(redis.RedisCacheClient):
    """Making a client takes longer than asking it, and Django's makes one for each question."""

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        return self._only

    @cached_property
    def _only(self) -> Any:
        return super().get_client(write=True)


class RedisCache(redis.RedisCache):
    """For one server."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
