"""Best of n: of n answers that a policy gives, the one that a reward model likes best is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from models_service import reward_scoring
from models_service.engines.base import Answer, Engine, EngineError, Request
from models_service.lm.chat import PromptRefused
from models_service.lm.checkpoint import CheckpointError
from models_service.lm.reading import Said
from models_service.models import ModelVersion

# numpy hashes seeds as signed 64-bit numbers.
_SEEDS = 2**62


class BestOfEngine:
    """Answers of another engine, the version's judge choosing one of every `best_of`.

    Completion j of a request is the best of those that the other engine draws with n consecutive
    seeds from (seed + j)·n on, so that it depends on its own seed alone.
    """

    def __init__(self, version: ModelVersion, drawing: Engine) -> None:
        self.version, self.drawing = version, drawing

    def sample(self, requests: Sequence[Request]) -> list[list[Answer]]:
        """See `Engine.sample`."""
        n = self.version.best_of
        wide = [replace(r, k=n * r.k, seed=n * r.seed % _SEEDS) for r in requests]
        try:
            drawn = self.drawing.sample(wide)
        except EngineError as error:
            self._keep_best(requests, error)
            raise
        best, refused = self._bests(requests, dict(enumerate(drawn)))
        if refused:
            raise EngineError(next(iter(refused.values())), refused=refused, answers=best)
        return [best[index] for index in range(len(requests))]

    def _keep_best(self, requests: Sequence[Request], error: EngineError) -> None:
        """Of what was drawn before the error, the best alone."""
        error.answers, refused = self._bests(requests, error.answers)
        error.refused |= refused

    def _bests(
        self, requests: Sequence[Request], drawn: Mapping[int, Sequence[Answer]]
    ) -> tuple[dict[int, list[Answer]], dict[int, str]]:
        """The best of what was drawn for each request, and why there is none."""
        best, refused = {}, {}
        for index, some in drawn.items():
            try:
                best[index] = self._best(requests[index], some)
            except PromptRefused as error:
                refused[index] = f"{self.version} cannot choose an answer: {error}."
        return best, refused

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `Engine.stream`; the text comes at once, since no part of it is chosen before."""
        [[answer]] = self.sample([replace(request, k=1)])
        on_text(answer.text)
        return answer

    def _best(self, request: Request, drawn: Sequence[Answer]) -> list[Answer]:
        n, judge = self.version.best_of, self.version.judge
        assert judge is not None, "the database lets no best-of version be without a judge"
        try:
            scores = reward_scoring.scores(
                judge, [Said(request.messages, answer.text, answer.finished) for answer in drawn]
            )
        except CheckpointError as error:
            raise EngineError(f"{judge}, which judges {self.version}, cannot: {error}") from error
        groups = (range(first, first + n) for first in range(0, len(drawn), n))
        best = [drawn[max(group, key=lambda i: scores[i])] for group in groups]
        # The chance of being drawn and then chosen is not known.
        return [
            replace(one, logprob=None, engine=f"{one.engine}, best of {n} by {judge}")
            for one in best
        ]
