"""The web server reads requests without a thread, and lets nobody hold what others need."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from waitress import wasyncore

from operations import web_server
from operations.web_server import BODY_BYTES, Channel, Server, TimedRequest

HALF_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-"
HALF_BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
THREADS = 2


THAW = threading.Event()


def _length_of_the_body(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    if environ["PATH_INFO"] == "/frozen":
        THAW.wait()
    body = environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(len(body)).encode()]


class Site:
    """A server on a loopback port, run by a thread until it is closed."""

    def __init__(self, connections: int = 100, idle_seconds: int = 30) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.address = self.listener.getsockname()
        self.polled: dict[int, Any] = {}
        self.server = Server(
            _length_of_the_body,
            self.listener,
            self.polled,
            threads=THREADS,
            connections=connections,
            idle_seconds=idle_seconds,
        )
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._poll)
        self.thread.start()

    def _poll(self) -> None:
        while not self.closing.is_set():
            wasyncore.loop(timeout=0.02, use_poll=True, map=self.polled, count=1)

    def close(self) -> None:
        self.closing.set()
        self.thread.join()
        self.server.task_dispatcher.shutdown()
        self.server.probes.shutdown()
        wasyncore.close_all(self.polled)

    def send(self, part: bytes) -> socket.socket:
        client = socket.create_connection(self.address, timeout=60)
        client.sendall(part)
        return client

    def post(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.request("POST", "/", body)
        response = connection.getresponse()
        return response.status, response.read()


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:

        def _site(**limits: int) -> Site:
            made = Site(**limits)
            stack.callback(made.close)
            return made

        yield _site


@pytest.mark.parametrize("part", [HALF_HEAD, HALF_BODY])
def test_half_requests_hold_no_thread(site: Callable[..., Site], part: bytes) -> None:
    here = site()
    slow = [here.send(part) for _ in range(10 * THREADS)]
    assert here.post(b"abc") == (200, b"3")
    for client in slow:
        client.close()


def test_probes_are_answered_while_every_thread_hangs(site: Callable[..., Site]) -> None:
    here = site()
    frozen = [here.send(b"GET /frozen HTTP/1.0\r\n\r\n") for _ in range(2 * THREADS)]
    probe = here.send(b"GET /readyz HTTP/1.0\r\n\r\n")
    assert b" 200 OK" in probe.makefile("rb").readline()
    THAW.set()
    assert all(b" 200 OK" in client.makefile("rb").readline() for client in frozen)


def test_a_request_in_pieces_is_answered_once_it_is_whole(site: Callable[..., Site]) -> None:
    here = site()
    client = here.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nConnec")
    client.sendall(b"tion: close\r\nContent-Length: 4\r\n\r\nab")
    assert here.post(b"") == (200, b"0")
    client.sendall(b"cd")
    assert client.makefile("rb").read().endswith(b"\r\n\r\n4")


def test_a_piece_of_an_import_comes_through_whole(site: Callable[..., Site]) -> None:
    assert site().post(b"x" * (4 * 2**20)) == (200, str(4 * 2**20).encode())


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(site: Callable[..., Site]) -> None:
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY_BYTES + 1}\r\n\r\n"
    client = site().send(head.encode())
    assert client.makefile("rb").readline() == b"HTTP/1.1 413 Request Entity Too Large\r\n"


def test_a_head_beyond_the_limit_is_refused(site: Callable[..., Site]) -> None:
    client = site().send(b"GET / HTTP/1.1\r\nX: " + b"y" * web_server.HEAD_BYTES)
    assert b" 431 " in client.makefile("rb").readline()


def test_where_there_are_too_many_the_one_silent_longest_goes(site: Callable[..., Site]) -> None:
    here = site(connections=5)
    slow = [here.send(HALF_HEAD) for _ in range(5)]
    assert here.post(b"abc") == (200, b"3")
    assert slow[0].recv(1) == b""  # closed by the server
    for client in slow:
        client.close()


def test_a_silent_connection_is_closed(site: Callable[..., Site]) -> None:
    assert site(idle_seconds=0).send(b"").recv(1) == b""


@pytest.mark.parametrize(
    ("seconds", "received", "late"),
    [(19, 0, False), (21, 0, True), (100, 81 * 8192, False), (100, 79 * 8192, True)],
)
def test_a_request_may_take_longer_the_more_of_it_has_come(
    seconds: int, received: int, late: bool
) -> None:
    request = TimedRequest(web_server.Adjustments())
    request.body_bytes_received = received
    assert request.is_late(request.began + seconds) is late


def test_only_a_reader_is_silent_while_an_answer_waits(site: Callable[..., Site]) -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(site().server, ours, ("", 0), web_server.Adjustments(), map={})
    channel.requests = [TimedRequest(web_server.Adjustments())]
    later = channel.last_activity + 60
    assert not channel.is_to_be_closed(later, 30)  # we are at work
    channel.total_outbufs_len = 1
    assert channel.is_to_be_closed(later, 30)  # it does not take the answer
    channel.close()
    theirs.close()
