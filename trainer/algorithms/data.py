"""The snapshot file as typed lines, and those lines as token ids within a run's limits."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from models_service.lm.chat import Message, PromptRefused, encode_prompt, stop_token_id
from models_service.lm.reading import encode_answer
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
    """A labeler's order of a prompt's completions: rank 1 is best, equal ranks are ties.

    `finished` says of each whether it ended by itself. Snapshots frozen before that was kept do not
    say it: all of theirs count as finished, as they were read then, so that a run which is taken up
    again learns from the same tokens.
    """

    id: str
    split: str
    messages: list[Message]
    completions: list[str]
    ranks: list[int]
    labeler: str
    group: str
    finished: list[bool]

    def __post_init__(self) -> None:
        if not len(self.completions) == len(self.ranks) == len(self.finished):
            raise ValueError("as many ranks and endings as completions are needed")


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
    # A line that cannot be used ends the run: skipped, it would train on other labels than the
    # snapshot's hash says.
    # Split as bytes, at line feeds alone: str.splitlines would also cut at the separators U+2028
    # and U+0085 that stand inside of JSON strings.
    numbered = enumerate(content.split(b"\n"), start=1)
    lines = [_parse(path, number, line) for number, line in numbered if line.strip()]
    return Snapshot(
        demonstrations=[line for line in lines if isinstance(line, Demonstration)],
        rankings=[line for line in lines if isinstance(line, Ranking)],
        prompts=[line for line in lines if isinstance(line, Prompt)],
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _parse(path: Path, number: int, line: bytes) -> Demonstration | Ranking | Prompt:
    try:
        values: dict[str, Any] = json.loads(line)
        kind = KINDS[values["type"]]
        if kind is Ranking:
            values.setdefault("finished", [True] * len(values["completions"]))
        # By the fields, so that what a newer version adds to a snapshot's lines does not stop an
        # older one.
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
    """All rankings of the same completions of one prompt: one element of a reward batch.

    `finished` says which completions are read at their stop token; the others were cut.
    """

    prompt: list[int]
    completions: list[list[int]]
    rankings: list[list[int]]
    finished: Sequence[bool] = ()


class Encoder:
    """Turns text into token ids within a run's limits and counts what the limits cost.

    A prompt over the limit is skipped, since cutting it would change what was asked. A response
    over the limit is cut, and loses its stop token: the model is not taught to stop in mid-word.
    What the model's chat template refuses is skipped too.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, max_prompt: int, max_response: int
    ) -> None:
        self.tokenizer = tokenizer
        self.max_prompt = max_prompt
        self.max_response = max_response
        self.counts: Counter[str] = Counter()

    def prompt(self, messages: list[Message]) -> list[int] | None:
        """The prompt's tokens, or None (and counted) when there are more than the limit, or the
        model cannot be asked it."""
        try:
            tokens = encode_prompt(self.tokenizer, messages)
        except PromptRefused:
            self.counts["prompts_refused"] += 1
            return None
        if len(tokens) <= self.max_prompt:
            return tokens
        self.counts["prompts_skipped_too_long"] += 1
        return None

    def response(self, text: str, finished: bool = True) -> list[int] | None:
        """The response's tokens cut to the limit, with the stop token where it is `finished` and
        was not cut; None (and counted) when the model has no tokens for it."""
        try:
            tokens = encode_answer(self.tokenizer, text, finished)
        except PromptRefused:
            self.counts["responses_refused"] += 1
            return None
        if len(tokens) > self.max_response:
            self.counts["responses_cut"] += 1
        # Cut from the end, where the stop token stands: it goes first.
        return tokens[: self.max_response]

    def examples(self, demonstrations: Iterable[Demonstration]) -> list[Example]:
        """Demonstrations whose prompts fit."""
        found = []
        for one in demonstrations:
            prompt = self.prompt(one.messages)
            response = None if prompt is None else self.response(one.response)
            if prompt is not None and response is not None:
                found.append(Example(prompt, response))
        return found

    def prompts(self, prompts: Iterable[Prompt]) -> list[list[int]]:
        """Prompts that fit."""
        encoded = (self.prompt(p.messages) for p in prompts)
        return [tokens for tokens in encoded if tokens is not None]

    def groups(self, rankings: Iterable[Ranking]) -> list[Group]:
        """Rankings whose prompts fit, those of the same completions together, first seen first."""
        together: dict[str, list[Ranking]] = {}
        for ranking in rankings:
            # Not by the prompt's id alone: two queues may have asked it with different completions,
            # and those are read apart.
            key = json.dumps([ranking.messages, ranking.completions, ranking.finished])
            together.setdefault(key, []).append(ranking)
        encoded = (self._group(same) for same in together.values())
        return [group for group in encoded if group is not None]

    def _group(self, same: list[Ranking]) -> Group | None:
        first = same[0]
        if (prompt := self.prompt(first.messages)) is None:
            return None
        answers = zip(first.completions, first.finished, strict=True)
        read = [self.response(text, finished) for text, finished in answers]
        completions = [tokens for tokens in read if tokens is not None]
        # The whole group: without one of its completions the ranks of the others would compare
        # other things than the labeler did, and K would no longer be the prompt's.
        if len(completions) < len(read):
            return None
        # No text holds it: whoever writes it out in words gets other tokens.
        stop = stop_token_id(self.tokenizer)
        # By the tokens, not by the label: a completion that ended may have been cut by this run's
        # limit.
        finished = [tokens[-1:] == [stop] for tokens in completions]
        return Group(prompt, completions, [ranking.ranks for ranking in same], finished)


def require_one_vocabulary(tokenizers: Mapping[str, PreTrainedTokenizerBase]) -> None:
    """Raise TrainingError where models that read each other's tokens, by what they are to the run,
    know them by different ids."""
    # Nothing else would tell: under another vocabulary the same ids are other words, and are
    # scored, learned from and compared all the same.
    (first, known), *others = [(name, one.get_vocab()) for name, one in tokenizers.items()]
    for name, vocabulary in others:
        if vocabulary != known:
            raise TrainingError(
                f"The {first} and the {name} use different tokenizers. Choose models of one family."
            )


def require(items: list[Any], what: str, action: str) -> None:
    """Raise TrainingError when a run has nothing to learn from."""
    if not items:
        raise TrainingError(f"The snapshot has no {what}. {action}")
