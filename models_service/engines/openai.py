"""Any OpenAI-compatible server: vLLM, TGI, llama.cpp or a hosted model, by chat or completions.

K completions are asked for at once (`n`); a server that sends fewer is asked for the rest one by
one. A request that a server refuses is changed as its words ask, where they ask for something.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

from models_service.endpoints import Endpoint, EndpointError
from models_service.engines.adapting import Body, Change, change_for
from models_service.engines.base import Answer, EngineError, Request
from models_service.engines.marks import Spoken, spoken
from models_service.engines.remote import Refused, Server
from models_service.engines.replies import Choice, Usage, choices
from models_service.lm.chat import FALLBACK_TURN, Message, plain_text
from models_service.models import EndpointKey, ModelVersion
from models_service.secrets import SealBroken, unseal

# Less than a claim on a labeling task lasts, so that nobody takes a batch over that still runs.
BUDGET_SECONDS = 100.0
_PATHS = {"chat": "/chat/completions", "completions": "/completions"}
# What no server refuses for its own sake.
_HARMLESS = [Message(role="user", content="Hello.")]

T = TypeVar("T")


class NoAnswer(EngineError):
    """A completion without an answer in it; `final` when the prompt itself is to blame."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class OpenAIEngine:
    """Answers from a remote endpoint."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        try:
            self.endpoint = Endpoint.from_dict(version.endpoint)
            self.key = _key(version, self.endpoint)
        except (EndpointError, SealBroken) as error:
            raise EngineError(f"The endpoint of {version} cannot be used: {error}") from error
        self._changes: tuple[Change, ...] = ()

    def sample(self, requests: Sequence[Request]) -> list[list[Answer]]:
        """See `Engine.sample`. Requests go out side by side, up to the endpoint's concurrency."""
        with self._server() as server:
            pool = ThreadPoolExecutor(self.endpoint.concurrency)
            try:
                return self._collected(server, pool, requests)
            finally:
                pool.shutdown(cancel_futures=True)

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `Engine.stream`."""
        started = time.perf_counter()
        body = self._body(request, k=1, seed=request.seed)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        whole, last = Choice(), dict[str, Any]()
        with self._server() as server:
            for part in self._taken(body, lambda body: _begun(server.stream(self._path, body))):
                last |= {name: value for name, value in part.items() if value}
                for choice in choices(part)[:1]:
                    whole += choice
                    on_text(self._spoken(whole, grows=True).text)
        if whole == Choice():
            raise self._silent()
        return self._answer(whole, last, alone=True, started=started)

    @property
    def _path(self) -> str:
        return _PATHS[self.endpoint.api]

    def _server(self) -> Server:
        return Server(self.endpoint, self.key, budget_seconds=BUDGET_SECONDS)

    def _collected(
        self, server: Server, pool: Executor, requests: Sequence[Request]
    ) -> list[list[Answer]]:
        """All answers, or the error that says of each request what became of it."""
        found = dict(enumerate(pool.map(lambda one: self._outcome(server, one), requests)))
        refused = [index for index, outcome in found.items() if isinstance(outcome, Refused)]
        # A server may say no to one moment, or to a setting. A prompt is to blame when it is
        # refused twice, and another one with the same settings is not, after that.
        again = pool.map(lambda index: self._outcome(server, requests[index]), refused)
        found |= zip(refused, again, strict=True)
        refused = [index for index in refused if isinstance(found[index], Refused)]
        own = bool(refused) and self._takes_others(server, requests[refused[0]])
        errors = {i: one for i, one in found.items() if isinstance(one, EngineError)}
        answers = {i: one for i, one in found.items() if not isinstance(one, EngineError)}
        if not errors:
            return list(answers.values())
        final = {i: str(e) for i, e in errors.items() if _is_final(e, own=own)}
        waiting = {i: str(e) for i, e in errors.items() if i not in final}
        first = next(iter(errors.values()))
        raise EngineError(str(first), refused=final, waiting=waiting, answers=answers) from first

    def _outcome(self, server: Server, request: Request) -> list[Answer] | EngineError:
        try:
            return self._answers(server, request)
        except EngineError as error:
            return error

    def _takes_others(self, server: Server, request: Request) -> bool:
        """Whether the server takes another prompt with the settings of this request."""
        other = self._outcome(server, replace(request, messages=_HARMLESS, k=1))
        return not isinstance(other, EngineError) or isinstance(other, NoAnswer)

    def _answers(self, server: Server, request: Request) -> list[Answer]:
        """K answers. What has no answer in it is asked for again with further seeds, K times."""
        answers: list[Answer] = []
        empty: list[NoAnswer] = []
        wanted = request.k
        while len(answers) < request.k:
            if len(empty) >= request.k:
                raise min(empty, key=lambda one: one.final)
            seed = request.seed + len(answers) + len(empty)
            for one in self._ask(server, request, wanted, seed):
                empty.append(one) if isinstance(one, NoAnswer) else answers.append(one)
            wanted = 1
        return answers[: request.k]

    def _ask(self, server: Server, request: Request, k: int, seed: int) -> list[Answer | NoAnswer]:
        """What comes of one call; fewer than k where the server gives fewer, but something."""
        started = time.perf_counter()
        body = self._body(request, k=k, seed=seed)
        reply = self._taken(body, lambda body: server.post(self._path, body))
        found = choices(reply)
        if not found:
            raise self._silent()
        outcomes: list[Answer | NoAnswer] = []
        for choice in found:
            try:
                outcomes.append(self._answer(choice, reply, alone=len(found) == 1, started=started))
            except NoAnswer as error:
                outcomes.append(error)
        return outcomes

    def _taken(self, body: Body, call: Callable[[Body], T]) -> T:
        """The call with a body that the server takes; the changes it took are kept."""
        changes = self._changes
        for change in changes:
            body = change(body)
        while True:
            try:
                reply = call(self.endpoint.shaped(body))
            except Refused as refusal:
                change_now = change_for(body, refusal, self.version.prefix)
                if change_now is None:
                    raise
                changes, body = (*changes, change_now), change_now(body)
            else:
                self._changes = changes
                return reply

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
        self, choice: Choice, reply: dict[str, Any], *, alone: bool, started: float
    ) -> Answer:
        """The choice as an answer. Raises NoAnswer where it holds none."""
        usage, said = Usage.of(reply), self._spoken(choice)
        reasoned = choice.reasoned or said.thought
        self._check(choice, said, reasoned=reasoned or bool(alone and usage.reasoning))
        counted = usage.completion if alone else None
        finish = choice.finish_reason or "other"
        if said.ended and finish in ("length", "other"):
            finish = "stop"  # the model wrote the end of its turn itself
        return Answer(
            text=said.text,
            finish_reason=finish,
            prompt_tokens=usage.prompt or 0,
            completion_tokens=counted or len(choice.logprobs),
            # Of the answer alone, the server says none where thinking went before it.
            logprob=sum(choice.logprobs) if choice.logprobs and not reasoned else None,
            latency_ms=round((time.perf_counter() - started) * 1000),
            engine=self._served_by(reply),
        )

    def _check(self, choice: Choice, said: Spoken, *, reasoned: bool) -> None:
        """Raise NoAnswer where the choice holds no answer; an empty text that ended is one."""
        model, finish = f"{self.endpoint.model} at {self.endpoint.host}", choice.finish_reason
        if choice.refusal:
            raise NoAnswer(f"{model} refuses to answer: {choice.refusal}", final=True)
        if finish == "error":
            raise NoAnswer(f"{model} broke off its answer with an error.")
        if said.text.strip() and choice.text is not None:
            return
        if finish == "content_filter":
            raise NoAnswer(
                f"The content filter of {self.endpoint.host} left no answer.", final=True
            )
        if reasoned or (finish == "length" and not said.text):
            raise NoAnswer(_only_thinking(model, cut=finish == "length"))
        if choice.text is None:
            raise NoAnswer(f"{model} sent an answer without text.")

    def _silent(self) -> EngineError:
        return EngineError(f"{self.endpoint.host} sent an answer without a completion.")

    def _spoken(self, choice: Choice, *, grows: bool = False) -> Spoken:
        text = _mended(choice.text or "")
        if self.endpoint.raw_text:
            return Spoken(text)
        return spoken(text, self.endpoint.thinking, grows=grows)

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


def _is_final(error: EngineError, *, own: bool) -> bool:
    return error.final if isinstance(error, NoAnswer) else own and isinstance(error, Refused)


def _only_thinking(model: str, *, cut: bool) -> str:
    less = "turn its thinking down by the endpoint's extra fields."
    if cut:
        what = "used up the limit on tokens in thinking, before an answer"
        return f"{model} {what}. Raise it (MAX_NEW_TOKENS for the queues), or {less}"
    return f"{model} wrote its thinking, but no answer. Ask it once more, or {less}"


def _begun(parts: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The parts of a stream whose first has come, so that the server has taken the request."""
    return chain([next(parts, {})], parts)


def _mended(text: str) -> str:
    """Halves of a surrogate pair joined, or replaced where the other half is missing."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _next_turn() -> str:
    """Where a model without roles starts to speak for the user."""
    return "\n" + FALLBACK_TURN.format(role="User", content="").rstrip()
