"""What a response's score is made of: reward model, functions, length, disagreement, clipping.

The parts add up to the score, and each is a metric. A function that fails ends the run with a
sentence that names it; its last saved state stays, and the run goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from transformers import PreTrainedTokenizerBase

from models_service.lm.chat import decode
from trainer.algorithms.contract import TrainingError
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes
from trainer.algorithms.reward_functions import weights_of
from trainer.algorithms.rollouts import Judged
from trainer.algorithms.settings import OnPolicyConfig

Messages = Sequence[Mapping[str, Any]]
Function = Callable[[Messages, str], float]
Asked = tuple[Messages, str]


class RewardParts:
    """Makes scores of what the reward model says. Raises TrainingError where a function cannot be
    imported."""

    def __init__(
        self,
        config: OnPolicyConfig,
        tokenizer: PreTrainedTokenizerBase,
        messages: Mapping[tuple[int, ...], Messages],
        crew: Crew,
    ) -> None:
        self.config, self.tokenizer, self.messages, self.crew = config, tokenizer, messages, crew
        self.weights = weights_of(config.reward_functions)
        self.functions = {name: imported(name) for name in self.weights}
        # A score that is the reward model's alone is not told apart.
        optional = {
            "disagreement": config.disagreement_penalty,
            "length": config.length_penalty,
            "clipped": config.score_clip,
            **self.weights,
        }
        self.told = [name for name, used in optional.items() if used]

    def apply(self, episodes: Episodes, judged: Sequence[Judged]) -> list[Judged]:
        """The same judgements with the whole score, and its parts."""
        said = self._said(episodes)
        lengths = map(len, episodes.responses)
        return [
            self._whole(one, length, {name: values[i] for name, values in said.items()})
            for i, (one, length) in enumerate(zip(judged, lengths, strict=True))
        ]

    def _whole(self, judged: Judged, length: int, said: Mapping[str, float]) -> Judged:
        c = self.config
        parts = {
            "model": c.reward_weight * judged.score,
            # A score on which the heads of an ensemble disagree is worth less (Coste et al. 2024,
            # "Reward Model Ensembles Help Mitigate Overoptimization").
            "disagreement": -c.reward_weight * c.disagreement_penalty * judged.disagreement,
            "length": -c.length_penalty * length,
            **{name: self.weights[name] * value for name, value in said.items()},
        }
        whole = sum(parts.values())
        held = max(-c.score_clip, min(c.score_clip, whole)) if c.score_clip else whole
        # What clipping took is a part too, so that all of them add up.
        parts["clipped"] = held - whole
        told = ["model", *self.told] if self.told else []
        return replace(judged, score=held, parts={name: parts[name] for name in told})

    def _said(self, episodes: Episodes) -> dict[str, list[float]]:
        """What each function says of every episode."""
        if not self.functions:
            return {}
        asked = [
            (self.messages[tuple(prompt)], decode(self.tokenizer, response))
            for prompt, response in zip(episodes.prompts, episodes.responses, strict=True)
        ]
        problem, said = "", dict[str, list[float]]()
        try:
            for name, function in self.functions.items():
                said[name] = ask(name, function, asked, self.config.function_seconds)
        except TrainingError as error:
            problem = str(error)
        # All processes fail together: one alone would leave the others waiting for it.
        if problems := [one for one in self.crew.gather([problem]) if one]:
            raise TrainingError(problems[0])
        return said


def imported(name: str) -> Function:
    """The function of that name. Raises TrainingError."""
    module, _, attribute = name.partition(":")
    try:
        function: Function = getattr(import_module(module), attribute)
    except Exception as error:  # a module may do anything while it is imported
        raise TrainingError(
            f"The reward function {name} cannot be imported ({error}). Correct its name or its "
            "module, then retry."
        ) from error
    return function


def ask(name: str, function: Function, asked: Sequence[Asked], seconds: float) -> list[float]:
    """What a function says of each (messages, text), given so many seconds for each.

    Raises TrainingError where it raises, is too slow, or says what is no finite number.
    """
    answers: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def answer() -> None:
        for messages, text in asked:
            try:
                answers.put((function(messages, text), None))
            except Exception as error:
                answers.put((None, error))
                return

    # A thread and not a process: what a function has loaded stays with it. A daemon, since nothing
    # can end a thread that hangs, and the worker must be able to leave all the same.
    Thread(target=answer, daemon=True, name=f"reward function {name}").start()
    return [_checked(name, *_next(name, answers, seconds)) for _ in asked]


def _next(
    name: str, answers: SimpleQueue[tuple[Any, Exception | None]], seconds: float
) -> tuple[Any, Exception | None]:
    try:
        return answers.get(timeout=seconds)
    except Empty:
        raise _failed(name, f"took longer than {seconds:g} seconds for one response") from None


def _checked(name: str, value: Any, error: Exception | None) -> float:
    if error is not None:
        raise _failed(name, f"raised {type(error).__name__}: {error}") from error
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _failed(name, f"returned {value!r}, which is not a finite number")
    return number


def _failed(name: str, what: str) -> TrainingError:
    sentence = f"The reward function {name} {what}".rstrip(".")
    return TrainingError(
        f"{sentence}. Mend it and retry: the run goes on from its last saved state."
    )
