"""Connections that notice a server that went away without asking it before every request."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but an idle connection is asked for a sign of life only if it has something to say.

    A server that ends, or is killed, closes its end of the socket; between two requests nothing
    else ever arrives there.
    """

    def is_usable(self) -> bool:
        """Whether the connection can be used; at once when nothing speaks against it."""
        if self.connection is None or self.errors_occurred or self._has_news():
            return super().is_usable()
        return True

    def _has_news(self) -> bool:
        if self.connection.closed:
            return True
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
