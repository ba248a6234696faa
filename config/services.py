"""The services that a process needs, joined before its settings are read.

Reading the settings starts nothing. Whoever is about to use the database or the broker joins first:
`manage.py`, the web server, Celery's programs and the tests.
"""

from __future__ import annotations

import os

from config import env
from operations.embedded import services

JOINED: list[str] = []
"""The variables that name embedded services because this process has joined them."""

_EMBEDDED = {"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url}


def join() -> None:
    """Let embedded services stand for those that the environment does not name.

    They stay up at least as long as this process; the processes it starts share them and never ask
    who runs them. Joining again changes nothing.
    """
    for name, url_of in _EMBEDDED.items():
        if not env.text(name):
            os.environ[name] = url_of(env.data_dir())
            JOINED.append(name)
