"""The snapshot file as typed lines, and those lines as token ids within a run's limits."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from models_service.lm.chat import Message, encode_prompt, encode_response
from trainer.algorithms.contract import TrainingError

TRAINING_LABELERS, HELD_OUT_LABELERS = "training", "held_out"


@dataclass(frozen=True)
class Demonstration:
    """A labeler's own response to a prompt."""

    id: str
    split: str
    messages: list[Message]
    response: str
    labeler: str
    group: str


@dataclass(frozen=True)
class Ranking:
    """A labeler's order of a prompt's completions: rank 1 is best, equal ranks are ties."""

    id: str
    split: str
    messages: list[Message]
    completions: list[str]
    ranks: list[int]
    labeler: str
    group: str

    def __post_init__(self) -> None:
        if len(self.completions) != len(self.ranks):
            raise ValueError("as many ranks as completions are needed")


@dataclass(frozen=True)
class Prompt:
    """A prompt that PPO samples responses to."""

    id: str
    split: str
    messages: list[Message]


@dataclass(frozen=True)
class Snapshot:
    """All lines of a snapshot file in its order, and the file's hash."""

    demonstrations: list[Demonstration]
    rankings: list[Ranking]
    prompts: list[Prompt]
    sha256: str


KINDS = {"demonstration": Demonstration, "ranking": Ranking, "prompt": Prompt}


def read_snapshot(path: Path) -> Snapshot:
    """Read a snapshot file. Raises TrainingError naming the first line that cannot be used."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"The snapshot {path} cannot be read: {error}. Freeze it again.") from (
            error
        )
    lines = [_parse(path, number, line) for number, line in _numbered(content)]
    return Snapshot(
        demonstrations=[line for line in lines if isinstance(line, Demonstration)],
        rankings=[line for line in lines if isinstance(line, Ranking)],
        prompts=[line for line in lines if isinstance(line, Prompt)],
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _numbered(content: bytes) -> Iterator[tuple[int, bytes]]:
    return ((i, line) for i, line in enumerate(content.split(b"\n"), start=1) if line.strip())


def _parse(path: Path, number: int, line: bytes) -> Demonstration | Ranking | Prompt:
    try:
        values: dict[str, Any] = json.loads(line)
        kind = KINDS[values["type"]]
        return kind(**{f.name: values[f.name] for f in fields(kind)})
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"Line {number} of the snapshot {path.name} cannot be used ({error!r}). "
            "Freeze the snapshot again."
        ) from error


@dataclass(frozen=True)
class Example:
    """One prompt and one response to it, as token ids."""

    prompt: list[int]
    response: list[int]

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(frozen=True)
class Group:
    """All rankings of the same completions of one prompt: one element of a reward batch."""

    prompt: list[int]
    completions: list[list[int]]
    rankings: list[list[int]]


class Encoder:
    """Turns text into token ids within a run's limits and counts what the limits cost.

    A prompt over the limit is skipped, since cutting it would change what was asked. A response
    over the limit is cut, and loses its stop token: the model is not taught to stop in mid-word.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, max_prompt: int, max_response: int
    ) -> None:
        self.tokenizer = tokenizer
        self.max_prompt = max_prompt
        self.max_response = max_response
        self.counts: Counter[str] = Counter()

    def prompt(self, messages: list[Message]) -> list[int] | None:
        """The prompt's tokens, or None (and counted) when there are more than the limit."""
        tokens = encode_prompt(self.tokenizer, messages)
        if len(tokens) <= self.max_prompt:
            return tokens
        self.counts["prompts_skipped_too_long"] += 1
        return None

    def response(self, text: str) -> list[int]:
        """The response's tokens with the stop token, cut to the limit."""
        tokens = encode_response(self.tokenizer, text)
        if len(tokens) > self.max_response:
            self.counts["responses_cut"] += 1
        return tokens[: self.max_response]

    def examples(self, demonstrations: Iterable[Demonstration]) -> list[Example]:
        """Demonstrations whose prompts fit."""
        encoded = ((self.prompt(d.messages), d) for d in demonstrations)
        return [Example(p, self.response(d.response)) for p, d in encoded if p is not None]

    def prompts(self, prompts: Iterable[Prompt]) -> list[list[int]]:
        """Prompts that fit."""
        encoded = (self.prompt(p.messages) for p in prompts)
        return [tokens for tokens in encoded if tokens is not None]

    def groups(self, rankings: Iterable[Ranking]) -> list[Group]:
        """Rankings whose prompts fit, those of the same completions together, first seen first."""
        together: dict[str, list[Ranking]] = {}
        for ranking in rankings:
            key = json.dumps([ranking.messages, ranking.completions])
            together.setdefault(key, []).append(ranking)
        encoded = ((self.prompt(same[0].messages), same) for same in together.values())
        return [self._group(prompt, same) for prompt, same in encoded if prompt is not None]

    def _group(self, prompt: list[int], same: list[Ranking]) -> Group:
        completions = [self.response(text) for text in same[0].completions]
        return Group(prompt, completions, [ranking.ranks for ranking in same])


def require(items: list[Any], what: str, action: str) -> None:
    """Raise TrainingError when a run has nothing to learn from."""
    if not items:
        raise TrainingError(f"The snapshot has no {what}. {action}")
