"""What is away or full when a request fails through no fault of the code: how it is answered.

A full disk is 507, a service that is away is 503 with Retry-After; each with a sentence that says
what to do. An error that is nobody's outage is a bug, and a 500.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass

import redis
from django.db import InterfaceError, OperationalError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DISK_FULL = "53100"
# PostgreSQL's codes for a server that does not take us now: too many connections, shutting down,
# crashed, starting up; and what is said when there is none, the connection being the trouble.
_AWAY = {"53300", "57P01", "57P02", "57P03", None}


@dataclass(frozen=True)
class Outage:
    """`status` is 503 or 507, `wait` the seconds after which to try again."""

    status: int
    detail: str | Promise
    wait: int


_NO_SPACE = Outage(
    507,
    _("The server's disk is full, so nothing can be stored. Tell an admin, then try again."),
    wait=30,
)
_DATABASE = Outage(
    503, _("The database cannot be reached just now. Try again in a few seconds."), wait=5
)
_BROKER = Outage(
    503, _("The broker cannot be reached just now. Try again in a few seconds."), wait=5
)


def outage_of(error: BaseException | None) -> Outage | None:
    """The outage that an error, or what it came from, tells of; None for a bug."""
    return next(filter(None, map(_told_by, _chain(error))), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _told_by(error: BaseException) -> Outage | None:
    if isinstance(error, OSError) and error.errno in _FULL:
        return _NO_SPACE
    if isinstance(error, (OperationalError, InterfaceError)):
        code = getattr(error.__cause__, "pgcode", None)
        if code == _DISK_FULL:
            return _NO_SPACE
        return _DATABASE if code in _AWAY else None
    if isinstance(error, redis.ResponseError) and str(error).startswith("MISCONF"):
        return _NO_SPACE  # it cannot write its append-only file
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
        return _BROKER
    return None
