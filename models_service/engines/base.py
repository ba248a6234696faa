"""What asking a model means, whichever engine answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models_service.lm.chat import Message


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


class Engine(Protocol):
    """Answers for one model version."""

    def sample(self, requests: Sequence[Request]) -> list[list[Answer]]:
        """`k` answers a request, in the order of the requests. Raises EngineError."""

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """The request's first answer; `on_text` gets all its text so far, again and again.
        Raises EngineError."""
