"""Any OpenAI-compatible server: vLLM, TGI, llama.cpp or a hosted model, by chat or completions.

K completions are asked for at once (`n`); a server that sends fewer is asked for the rest one by
one. What a server does not offer (`n`, `seed`, log-probabilities) is left out after it refused.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from models_service.endpoints import Endpoint, EndpointError
from models_service.engines import Answer, EngineError, Request
from models_service.engines.remote import Refused, Server
from models_service.lm.chat import FALLBACK_TURN, Message, plain_text
from models_service.models import EndpointKey, ModelVersion
from models_service.secrets import SealBroken, unseal

# Less than a claim on a labeling task lasts, so that nobody takes a batch over that still runs.
BUDGET_SECONDS = 100.0
_PATHS = {"chat": "/chat/completions", "completions": "/completions"}
_OPTIONAL = ("n", "logprobs", "seed", "stream_options")
_FINISHES = ("stop", "length", "content_filter")
_LARGEST_COUNT = 2**31 - 1
# The server's words for a prompt that no other attempt will help.
_HOPELESS = re.compile(r"context.?length|maximum context|too long|content.?(filter|policy)", re.I)


@dataclass(frozen=True)
class _Choice:
    """One completion out of a server's answer; None stands for what it did not say."""

    text: str
    finish_reason: str
    logprobs: list[float] | None


class OpenAIEngine:
    """Answers from a remote endpoint."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        try:
            self.endpoint = Endpoint.from_dict(version.endpoint)
            self.key = _key(version, self.endpoint)
        except (EndpointError, SealBroken) as error:
            raise EngineError(f"The endpoint of {version} cannot be used: {error}") from error

    def sample(self, requests: Sequence[Request]) -> list[list[Answer]]:
        """See `Engine.sample`. Requests go out side by side, up to the endpoint's concurrency."""
        with self._server() as server:
            pool = ThreadPoolExecutor(self.endpoint.concurrency)
            try:
                return _collected([pool.submit(self._answers, server, r) for r in requests])
            finally:
                pool.shutdown(cancel_futures=True)

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `Engine.stream`."""
        started = time.perf_counter()
        body = self._body(request, k=1, seed=request.seed)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        text, last, logprobs, usage = "", "", list[float](), dict[str, Any]()
        with self._server() as server:
            for part in self._parts(server, body):
                usage = _dict(part.get("usage")) or usage
                for choice in _choices(part)[:1]:
                    piece = _choice(choice)
                    text += piece.text
                    last = piece.finish_reason or last
                    logprobs += piece.logprobs or []
                    on_text(_mended(text))
        if not text and not last:
            raise EngineError(f"{self.endpoint.host} sent an answer without a completion.")
        whole = _Choice(text, last, logprobs or None)
        return self._answer(whole, {"usage": usage}, alone=True, started=started)

    def _parts(self, server: Server, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            yield from server.stream(self._path, body)
        except Refused:  # before the first part, always
            yield from server.stream(self._path, _plain(body))

    @property
    def _path(self) -> str:
        return _PATHS[self.endpoint.api]

    def _server(self) -> Server:
        return Server(self.endpoint, self.key, budget_seconds=BUDGET_SECONDS)

    def _answers(self, server: Server, request: Request) -> list[Answer]:
        answers: list[Answer] = []
        wanted = request.k
        while len(answers) < request.k:
            seed = request.seed + len(answers)
            got = self._ask(server, request, wanted, seed)
            if not got:
                raise EngineError(f"{self.endpoint.host} sent an answer without a completion.")
            answers += got
            wanted = 1
        return answers[: request.k]

    def _ask(self, server: Server, request: Request, k: int, seed: int) -> list[Answer]:
        """The answers of one call; fewer than k where the server gives fewer."""
        started = time.perf_counter()
        body = self._body(request, k=k, seed=seed)
        try:
            reply = server.post(self._path, body)
        except Refused:
            plain = _plain(body)
            if plain == body:
                raise
            reply = server.post(self._path, plain)
        found = [_choice(choice) for choice in _choices(reply)]
        alone = len(found) == 1
        return [self._answer(choice, reply, alone=alone, started=started) for choice in found]

    def _body(self, request: Request, *, k: int, seed: int) -> dict[str, Any]:
        """The request, with nothing left to the server's own defaults that the protocol names."""
        body: dict[str, Any] = {
            **self.endpoint.extra,
            "model": self.endpoint.model,
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "seed": seed,
        }
        body.setdefault("top_p", 1)
        if k > 1:
            body["n"] = k
        chat = self.endpoint.api == "chat"
        if self.endpoint.logprobs:
            body["logprobs"] = True if chat else 0
        if chat:
            return body | {"messages": self._messages(request)}
        return body | {"prompt": self._text(request), "stop": [_next_turn()]}

    def _messages(self, request: Request) -> list[Message]:
        if not self.version.prefix:
            return list(request.messages)
        return [Message(role="system", content=self.version.prefix), *request.messages]

    def _text(self, request: Request) -> str:
        """The conversation as plain text for a model that knows no roles, the prefix first."""
        prefix = f"{self.version.prefix}\n\n" if self.version.prefix else ""
        return prefix + plain_text(request.messages)

    def _answer(
        self, choice: _Choice, reply: dict[str, Any], *, alone: bool, started: float
    ) -> Answer:
        usage = _dict(reply.get("usage"))
        counted = len(choice.logprobs) if choice.logprobs else None
        said = _count(usage.get("completion_tokens")) if alone else None
        finish = choice.finish_reason
        return Answer(
            text=_mended(choice.text),
            finish_reason=finish if finish in _FINISHES else "other",
            prompt_tokens=_count(usage.get("prompt_tokens")) or 0,
            completion_tokens=said or counted or 0,
            logprob=sum(choice.logprobs) if choice.logprobs else None,
            latency_ms=round((time.perf_counter() - started) * 1000),
            engine=self._served_by(reply),
        )

    def _served_by(self, reply: dict[str, Any]) -> str:
        """Server, model and its build, as the server names them."""
        names = [self.endpoint.host, reply.get("model"), reply.get("system_fingerprint")]
        known = " ".join(name for name in names if isinstance(name, str))
        return "".join(c for c in f"openai {known}" if c.isprintable())[:200]


def _key(version: ModelVersion, endpoint: Endpoint) -> str:
    if endpoint.key_env:
        return endpoint.key_from_environment()
    stored = EndpointKey.objects.filter(version=version).first()
    return unseal(stored.sealed) if stored else ""


def _collected(futures: Sequence[Future[list[Answer]]]) -> list[list[Answer]]:
    """All answers, or the one error that stands for all.

    A refusal concerns its own request when it says so, or when the server answered others.
    """
    answers: list[list[Answer]] = []
    refused: dict[int, Refused] = {}
    for index, future in enumerate(futures):
        try:
            answers.append(future.result())
        except Refused as error:
            refused[index] = error
    if not refused:
        return answers
    first = next(iter(refused.values()))
    own = {i: str(e) for i, e in refused.items() if answers or _HOPELESS.search(str(e))}
    raise EngineError(str(first), refused=own)


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """The request without what a server may not offer."""
    return {name: value for name, value in body.items() if name not in _OPTIONAL}


def _choices(reply: dict[str, Any]) -> list[dict[str, Any]]:
    found = reply.get("choices")
    return (
        [choice for choice in found if isinstance(choice, dict)] if isinstance(found, list) else []
    )


def _choice(choice: dict[str, Any]) -> _Choice:
    """Read a choice of either protocol, whole or streamed."""
    message = _dict(choice.get("message")) or _dict(choice.get("delta"))
    text = message.get("content") if message else choice.get("text")
    finish = choice.get("finish_reason")
    return _Choice(
        text if isinstance(text, str) else "",
        finish if isinstance(finish, str) else "",
        _logprobs(_dict(choice.get("logprobs"))),
    )


def _logprobs(said: dict[str, Any]) -> list[float] | None:
    """One finite number a token, or None."""
    content = said.get("content")
    values = said.get("token_logprobs")
    if isinstance(content, list):
        values = [_dict(token).get("logprob") for token in content]
    if not isinstance(values, list) or not values:
        return None
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return None
    return [float(value) for value in values]


def _mended(text: str) -> str:
    """Halves of a surrogate pair joined, or replaced where the other half is missing."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT
    return value if good and isinstance(value, int) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _next_turn() -> str:
    """Where a model without roles starts to speak for the user."""
    return "\n" + FALLBACK_TURN.format(role="User", content="").rstrip()
