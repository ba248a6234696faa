"""One call to a model server: patient with a busy one, strict with a broken one.

Whatever goes wrong becomes an EngineError with a sentence for a person; nothing is half returned.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx
from django.conf import settings

from models_service.addresses import AddressRefused, GuardedTransport
from models_service.endpoints import SETTABLE, Endpoint
from models_service.engines.base import EngineError

ATTEMPTS = 4
RESPONSE_LIMIT = 8 * 2**20  # bytes
_CONNECT_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 8.0
_QUOTE = 200  # characters of the server's own words that are repeated
_PASSING = (408, 409, 425, 429)  # worth another try, as 5xx are
_DEPTH = 8  # of a complaint within a complaint


class Refused(EngineError):
    """The server says no to the request as it is (400, 413, 422); `fields` are those that it
    names."""

    def __init__(self, message: str, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.fields = fields


class Busy(EngineError):
    """The server cannot answer now (429, 5xx, no connection); `pause` is what it asks for, in
    seconds, if it says."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


class Server:
    """An endpoint that is open for calls until `budget_seconds` have passed. Safe for threads."""

    def __init__(self, endpoint: Endpoint, key: str, *, budget_seconds: float) -> None:
        self.endpoint = endpoint
        self.key = key
        self.deadline = time.monotonic() + budget_seconds
        transport = GuardedTransport(
            allowed=settings.ALLOWED_PRIVATE_NETWORKS, connections=endpoint.concurrency
        )
        headers = {"Accept-Encoding": "identity", "User-Agent": "tutelage"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._client = httpx.Client(
            transport=transport, headers=headers, follow_redirects=False, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers. Raises EngineError."""
        with self._answered(path, body) as response:
            return self._parsed(b"".join(self._chunks(response)))

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The objects of the answer as they come: server-sent events, or one object from a server
        that does not stream. Raises EngineError."""
        with self._answered(path, body) as response:
            if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                yield self._parsed(b"".join(self._chunks(response)))
                return
            for data in _events(self._chunks(response)):
                if data == b"[DONE]":
                    return
                yield self._parsed(data)
            self._fail("broke off in the middle of its answer")

    @contextmanager
    def _answered(self, path: str, body: dict[str, Any]) -> Iterator[httpx.Response]:
        """An open response that says 200, after as many attempts as it takes."""
        response = self._patiently(path, body)
        try:
            yield response
        except httpx.TimeoutException as error:
            raise self._too_slow() from error
        except httpx.HTTPError as error:
            raise self._error(f"broke off its answer ({_words(error)})") from error
        finally:
            response.close()

    def _patiently(self, path: str, body: dict[str, Any]) -> httpx.Response:
        for attempt in range(1, ATTEMPTS):
            try:
                return self._send(path, body)
            except Busy as busy:
                self._wait(attempt, busy)
        return self._send(path, body)

    def _wait(self, attempt: int, busy: Busy) -> None:
        """Sleep as long as the server asks, else ever longer; full jitter keeps callers apart."""
        pause = busy.pause
        if pause is None:
            pause = random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 2.0 ** (attempt - 1)))
        if time.monotonic() + pause >= self.deadline:
            raise busy
        time.sleep(pause)

    def _send(self, path: str, body: dict[str, Any]) -> httpx.Response:
        time_left = self._time_left()
        give_up_at = time.monotonic() + time_left
        request = self._client.build_request(
            "POST",
            self.endpoint.base_url.rstrip("/") + path,
            json=body,
            timeout=httpx.Timeout(time_left, connect=_CONNECT_SECONDS),
        )
        try:
            response = self._client.send(request, stream=True)
        except AddressRefused as error:
            raise EngineError(str(error)) from error
        except httpx.ConnectError as error:
            raise Busy(f"{self.endpoint.host} cannot be reached ({_words(error)}).") from error
        except httpx.TimeoutException as error:
            raise self._too_slow() from error
        except httpx.HTTPError as error:
            raise Busy(f"{self.endpoint.host} broke off the call ({_words(error)}).") from error
        if response.status_code != httpx.codes.OK:
            self._refuse(response)
        response.extensions["give_up_at"] = give_up_at
        return response

    def _time_left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self._too_slow()
        return min(left, self.endpoint.timeout_seconds)

    def _refuse(self, response: httpx.Response) -> NoReturn:
        """Raise what a status other than 200 means."""
        with closing(response):
            complaint = self._complaint(response)
        words = _in_words(complaint)
        said = f": {self._quoted(words).rstrip('.')}." if words.strip() else "."
        status, host = response.status_code, self.endpoint.host
        if status in _PASSING or status >= 500:
            pause = _retry_after(response.headers.get("Retry-After", ""))
            raise Busy(f"{host} is too busy or down; it answers {status}{said}", pause)
        if status in (400, 413, 422):
            named = _named(complaint)
            if named & SETTABLE:
                said += " The endpoint's omit leaves a field out, its rename names it anew."
            raise Refused(f"{host} refuses the request ({status}){said}", named)
        if status in (401, 403):
            raise EngineError(f"{host} does not accept the key ({status}){said}")
        if status in (404, 405):
            said += f" Check the base URL and the model's name there, {self.endpoint.model}."
        if 300 <= status < 400:
            self._fail(f"redirects ({status}), which is not followed; give the final base URL")
        raise EngineError(f"{host} answers {status}{said}")

    def _complaint(self, response: httpx.Response) -> object:
        """What the server says about an error: JSON, or else its text."""
        response.extensions["give_up_at"] = time.monotonic() + _CONNECT_SECONDS
        try:
            body = b"".join(self._chunks(response))
        except (httpx.HTTPError, EngineError):
            return ""
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return body.decode(errors="replace")

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The body, unless it is too large or takes too long."""
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > RESPONSE_LIMIT:
                self._fail(f"sends more than {RESPONSE_LIMIT // 2**20} MiB, which is not read")
            if time.monotonic() > response.extensions["give_up_at"]:
                raise self._too_slow()
            yield chunk

    def _parsed(self, body: bytes) -> dict[str, Any]:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            self._explain_unreadable(body)
        if not isinstance(value, dict):
            self._fail("answers with JSON that is not an object")
        if "error" in value and "choices" not in value:
            self._fail(f"reports an error: {self._quoted(_in_words(value)).rstrip('.')}")
        return value

    def _explain_unreadable(self, body: bytes) -> NoReturn:
        start = body.lstrip()[:1]
        if start in (b"{", b"["):
            self._fail("sent only a part of its JSON answer, or a damaged one")
        kind = "a web page" if start == b"<" else "something that is not JSON"
        self._fail(f"answers with {kind}; check that the base URL is that of its API")

    def _quoted(self, text: str) -> str:
        if self.key:
            text = text.replace(self.key, "•••")
        clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return clean if len(clean) <= _QUOTE else f"{clean[:_QUOTE]}…"

    def _too_slow(self) -> EngineError:
        return self._error(f"did not answer within {self.endpoint.timeout_seconds} seconds")

    def _error(self, what: str) -> EngineError:
        return EngineError(f"{self.endpoint.host} {what}.")

    def _fail(self, what: str) -> NoReturn:
        raise self._error(what)


def _in_words(complaint: object, depth: int = _DEPTH) -> str:
    """A server's complaint as a person says it, in OpenAI's shape, FastAPI's or a bare text."""
    if isinstance(complaint, list) and depth:
        return "; ".join(_in_words(one, depth - 1) for one in complaint)
    if not isinstance(complaint, dict) or not depth:
        return str(complaint)
    inner = next(
        (complaint[n] for n in ("error", "detail", "message", "msg") if n in complaint), None
    )
    words = str(complaint) if inner is None else _in_words(inner, depth - 1)
    where = complaint.get("loc")
    return f"{where[-1]}: {words}" if isinstance(where, list) and where else words


def _named(complaint: object, depth: int = _DEPTH) -> frozenset[str]:
    """The fields that a complaint is about: OpenAI's `param`, FastAPI's `loc`."""
    if isinstance(complaint, list) and depth:
        return frozenset[str]().union(*(_named(one, depth - 1) for one in complaint))
    if not isinstance(complaint, dict) or not depth:
        return frozenset()
    where = complaint.get("loc")
    own = [complaint.get("param"), *(where if isinstance(where, list) else [])]
    inner = [_named(complaint.get(n), depth - 1) for n in ("error", "detail", "message")]
    return frozenset(name for name in own if isinstance(name, str)).union(*inner)


def _retry_after(value: str) -> float | None:
    """Seconds to wait, from a number or a date (RFC 9110, 10.2.3); None when neither."""
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _events(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The data of server-sent events; models send each in one line."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
