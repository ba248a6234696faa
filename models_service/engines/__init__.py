"""What asking a model means, whichever engine answers; one module an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models_service.lm.chat import Message
from models_service.models import ModelVersion

_REASON = 500  # characters of an error that are kept


@dataclass(frozen=True)
class Request:
    """K completions of one conversation. Completion j is drawn with `seed + j`.

    `messages` end with the user's turn; temperature 0 takes the likeliest token.
    """

    messages: Sequence[Message]
    k: int
    max_new_tokens: int
    temperature: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """One completion and where it came from.

    `logprob` is the sum over its tokens in nats under the distribution it was sampled from;
    `latency_ms` is the wall-clock time of the batch it was sampled in; `engine` names what
    computed it and its version. Counts are 0 where a remote server does not say.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    logprob: float | None
    latency_ms: int
    engine: str = ""

    @property
    def finished(self) -> bool:
        """Whether it ended by itself; what follows another one was never said."""
        return self.finish_reason == "stop"


class EngineError(Exception):
    """A model cannot answer; the message says why and what to do.

    Where single requests are at fault, they are named by their index: `refused` can never be
    answered (a prompt longer than the context), `waiting` cannot be now. `answers` holds what the
    others got; who is in none of the three can be sent again.
    """

    def __init__(
        self,
        message: str,
        *,
        refused: Mapping[int, str] | None = None,
        waiting: Mapping[int, str] | None = None,
        answers: Mapping[int, list[Answer]] | None = None,
    ) -> None:
        super().__init__(message)
        self.refused = dict(refused or {})
        self.waiting = dict(waiting or {})
        self.answers = dict(answers or {})


def reason(version: ModelVersion, error: Exception) -> str:
    """Why the version did not answer: one line, never empty, that a database can keep."""
    line = "".join(c if c.isprintable() else " " for c in str(error))
    words = " ".join(line.split())[:_REASON]
    if isinstance(error, EngineError) and words:
        return words
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"{version} failed ({said.rstrip('.')}). The worker's log says where."


class Engine(Protocol):
    """Answers for one model version."""

    def sample(self, requests: Sequence[Request]) -> list[list[Answer]]:
        """`k` answers a request, in the order of the requests. Raises EngineError."""

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """The request's first answer; `on_text` gets all its text so far, again and again.
        Raises EngineError."""


def engine_for(version: ModelVersion) -> Engine:
    """The engine that serves this version. Raises EngineError when it cannot be used."""
    if version.best_of > 1:
        from models_service.engines.best_of import BestOfEngine

        return BestOfEngine(version, _drawing(version))
    return _drawing(version)


def _drawing(version: ModelVersion) -> Engine:
    """The engine that draws from the version's weights."""
    if version.engine == ModelVersion.Engine.LOCAL:
        # Imported here, since a web process that never samples should not load PyTorch.
        from models_service.engines.local import LocalEngine

        return LocalEngine(version)
    from models_service.engines.openai import OpenAIEngine

    return OpenAIEngine(version)
