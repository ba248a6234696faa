"""The worker of the web server: gunicorn starts and watches it, waitress speaks HTTP inside.

A request takes a thread only once it is here whole, head and body, and gives it back before a slow
reader has the whole answer. So a slow or silent client costs a socket and nothing else. Why these
two: docs/decisions/0012-requests-are-read-before-they-take-a-worker.md.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

HEAD_BYTES = 64 * 2**10
BODY_BYTES = 64 * 2**20
"""Of one request: a list of prompts may be so long, a file is imported in pieces of 4 MiB."""

REQUEST_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 8 * 2**10
"""A request has to be here whole after so long, and a second more for so much of its body."""

PROBES = ("/healthz", "/readyz")
_PROBE_THREADS = 2
_POLL_SECONDS = 0.5


class TimedRequest(HTTPRequestParser):
    """A request that knows since when it has been coming in."""

    def __init__(self, adjustments: Adjustments) -> None:
        super().__init__(adjustments)
        self.began = time.time()

    def is_late(self, now: float) -> bool:
        """Whether it comes in too slowly to be waited for."""
        allowed = REQUEST_SECONDS + self.body_bytes_received / BODY_BYTES_PER_SECOND
        return now - self.began > allowed


class Channel(HTTPChannel):
    """A connection; `requests` are at work or wait for a thread, `request` is coming in."""

    parser_class = TimedRequest
    request: TimedRequest | None

    def is_to_be_closed(self, now: float, idle_seconds: float) -> bool:
        """Whether it is silent, too slow, or does not take the answer it asked for."""
        if self.request is not None and self.request.is_late(now):
            return True
        waits_for_us = self.requests and not self.total_outbufs_len
        return not waits_for_us and now - self.last_activity > idle_seconds

    def write_soon(self, data: Any) -> int:
        """Pass on a part of the answer; what counts as silence is the reader's alone."""
        if not self.total_outbufs_len:
            self.last_activity = time.time()
        return int(super().write_soon(data))


class Server(TcpWSGIServer):
    """Answers on a listening socket, whenever `polled` is.

    Args:
        threads: Requests at work at once.
        connections: Sockets at once; where one more comes, the one silent longest is closed.
        idle_seconds: Silence after which a connection is closed.
    """

    channel_class = Channel

    def __init__(
        self,
        application: Callable[..., Any],
        listener: socket.socket,
        polled: dict[int, Any],
        *,
        threads: int,
        connections: int,
        idle_seconds: int,
    ) -> None:
        self.connections = connections
        self.probes = ThreadedTaskDispatcher()
        self.probes.set_thread_count(_PROBE_THREADS)
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(threads)
        settings = Adjustments(
            ident="",
            max_request_header_size=HEAD_BYTES,
            max_request_body_size=BODY_BYTES,
            channel_timeout=idle_seconds,
            cleanup_interval=1,
            # waitress stops taking connections at its limit, and whoever holds them all has won.
            connection_limit=2 * connections,
            # SECURE_PROXY_SSL_HEADER reads one of them; a proxy that sets it overwrites a client's.
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
        )
        about = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            application,
            polled,
            _sock=listener,
            dispatcher=dispatcher,
            adj=settings,
            sockinfo=about,
            bind_socket=False,
        )

    def add_task(self, task: Channel) -> None:
        """Have a request answered; probes have threads of their own, so that they are answered
        also while every other one waits for something that hangs."""
        is_probe = getattr(task.requests[0], "path", "") in PROBES
        (self.probes if is_probe else self.task_dispatcher).add_task(task)

    def maintenance(self, now: float) -> None:
        """Close what is not worth waiting for; waitress asks about once a second."""
        for channel in list(self.active_channels.values()):
            if channel.is_to_be_closed(now, self.adj.channel_timeout):
                channel.will_close = True

    def handle_accept(self) -> None:
        """Take a connection, and let another go where there are too many."""
        super().handle_accept()
        if len(self.active_channels) > self.connections:
            waiting = [c for c in self.active_channels.values() if not c.requests]
            if waiting:
                min(waiting, key=lambda channel: channel.last_activity).will_close = True

    def is_at_work(self) -> bool:
        """Whether a request that was taken has not been answered to its end."""
        return any(c.requests or c.total_outbufs_len for c in self.active_channels.values())


class BufferedWorker(Worker):
    """A gunicorn worker class: `--threads`, `--worker-connections` and `--keep-alive` hold."""

    def run(self) -> None:
        """Answer requests until gunicorn says stop, then those that were taken."""
        # The time that requests wait for a thread is part of those in /metrics.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        polled: dict[int, Any] = {}
        servers = [self._server(listener.sock, polled) for listener in self.sockets]
        while self.alive and self.ppid == os.getppid():
            self._turn(polled)
        for server in servers:
            server.accepting = False
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while any(server.is_at_work() for server in servers) and time.monotonic() < deadline:
            self._turn(polled)
        for server in servers:
            server.task_dispatcher.shutdown(timeout=1)
            server.probes.shutdown(timeout=1)

    def _turn(self, polled: dict[int, Any]) -> None:
        self.notify()
        wasyncore.loop(timeout=_POLL_SECONDS, use_poll=True, map=polled, count=1)

    def _server(self, listener: socket.socket, polled: dict[int, Any]) -> Server:
        return Server(
            self.wsgi,
            listener,
            polled,
            threads=self.cfg.threads,
            connections=self.cfg.worker_connections,
            idle_seconds=self.cfg.keepalive,
        )
