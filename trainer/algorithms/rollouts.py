"""One batch of experience: sampled once, scored by frozen passes, then learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from trainer.algorithms import losses
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, Tokens

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """B judged episodes, [B, T] unless said, 0 where `mask` is 0.

    `logprobs` are those the tokens were sampled with; `scores` [B] are before the penalty
    of an unfinished response.
    """

    episodes: Episodes
    scores: Tensor
    mask: Tensor
    logprobs: Tensor
    ref_logprobs: Tensor
    # What the scores are sums of, [B] each.
    parts: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def kl(self) -> Tensor:
        """k1 summed over each episode, float32 [B], nats."""
        return losses.kl_estimates(self.logprobs, self.ref_logprobs).k1.sum(1)

    def rewards(self, beta: float, unfinished_penalty: float) -> Tensor:
        """Reward of each token, [B, T]: −β·k1, and at the last one the score, less the penalty
        where a response did not end by itself."""
        unfinished = ~torch.tensor(self.episodes.finished, device=self.scores.device)
        k1 = losses.kl_estimates(self.logprobs, self.ref_logprobs).k1
        # Apart from `scores`, which are reported as the reward model gave them.
        final = self.scores - unfinished_penalty * unfinished
        return losses.token_rewards(final, k1, self.mask, beta)


@dataclass(frozen=True, kw_only=True)
class Experience(Batch):
    """A batch with what is learned from it, each [B, T].

    `values` are those before any update. Where no value model is, they are the baseline that
    rewards were compared with: advantages are returns less values, before any scaling.
    """

    values: Tensor
    advantages: Tensor
    returns: Tensor
    # What each episode's values were read from, [T, d], where that is kept.
    states: Sequence[Tensor] = ()


@dataclass(frozen=True)
class Judged:
    """What the judges say of one episode, an entry a response token; no values where no value
    model is."""

    score: float
    ref_logprobs: list[float]
    values: Sequence[float] = ()
    # What the values were read from, [T, d], where it is kept to learn from.
    states: Tensor | None = None
    # Between the heads of an ensemble, the sd of their scores.
    disagreement: float = 0.0
    # What the score is the sum of, by name, where it is more than the reward model's.
    parts: Mapping[str, float] = field(default_factory=dict)


def gather_rows(crew: Crew, mine: Sequence[T], each: int = 1) -> list[T]:
    """What all processes have, `each` for a prompt, in the order of the prompts that were shared
    out."""
    groups = [mine[i : i + each] for i in range(0, len(mine), each)]
    return [row for group in crew.gather(groups) for row in group]


def gather_episodes(crew: Crew, mine: Episodes, each: int = 1) -> Episodes:
    """The episodes of all processes, in the order of `gather_rows`."""
    # Every process gets all episodes, though it learns from a part: advantages are whitened over
    # the whole batch, and minibatches are drawn from it. They are lists of tokens, nothing beside a
    # gradient.
    rows = zip(mine.prompts, mine.responses, mine.logprobs, mine.finished, strict=True)
    gathered = gather_rows(crew, list(rows), each)
    prompts, responses, logprobs, finished = map(list, zip(*gathered, strict=True))
    return Episodes(prompts, responses, logprobs, finished, mine.end_id)


@dataclass(frozen=True)
class RewardRule:
    """How scores and KL become advantages; the fields are PPOConfig's."""

    beta: float
    unfinished_penalty: float
    gamma: float
    gae_lambda: float
    whiten_rewards: bool


def make_batch(episodes: Episodes, judged: Sequence[Judged], device: torch.device) -> Batch:
    """Judged episodes as tensors."""
    # The log-probabilities are those that sampling brought along: computed again they would cost a
    # pass and be other ones by rounding.
    logprobs, mask = _stack(episodes.logprobs, device)
    ref_logprobs, _ = _stack([j.ref_logprobs for j in judged], device)
    scores = torch.tensor([j.score for j in judged], device=device)
    parts = {name: torch.tensor([j.parts[name] for j in judged]) for name in judged[0].parts}
    return Batch(episodes, scores, mask, logprobs, ref_logprobs, parts)


def make_experience(
    episodes: Episodes, judged: Sequence[Judged], rule: RewardRule, device: torch.device
) -> Experience:
    """Rewards, advantages (whitened over the whole batch) and returns of judged episodes."""
    batch = make_batch(episodes, judged, device)
    values, mask = _stack([j.values for j in judged], device)
    rewards = batch.rewards(rule.beta, rule.unfinished_penalty)
    if rule.whiten_rewards:
        rewards = losses.whiten(rewards, mask, shift_mean=False)
    advantages, returns = losses.gae(rewards, values, mask, rule.gamma, rule.gae_lambda)
    # After the returns have been made: the value model learns returns in the score's units, and
    # only the policy's gradient is brought to one scale. Over the batch and not a minibatch, so
    # that an episode's gradient does not depend on its neighbours (docs/ppo.md).
    advantages = losses.whiten(advantages, mask)
    states = [j.states.to(device) for j in judged if j.states is not None]
    return Experience(
        **vars(batch), values=values, advantages=advantages, returns=returns, states=states
    )


def _stack(
    rows: Sequence[Tokens] | Sequence[Sequence[float]], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ragged rows as float32 [B, T] with zeros after them, and their mask."""
    tensors = [torch.tensor(row, dtype=torch.float32) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]
    return padded.to(device), mask.long().to(device)
