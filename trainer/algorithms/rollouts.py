"""One PPO batch of experience: sampled once, scored by three frozen passes, then learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.algorithms import losses
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, Tokens


@dataclass(frozen=True)
class Experience:
    """B episodes with what PPO learns from them, [B, T] unless said, 0 where `mask` is 0.

    `logprobs` are those the tokens were sampled with, `values` those before any update;
    `scores` [B] come from the reward model, before any penalty.
    """

    episodes: Episodes
    scores: Tensor
    mask: Tensor
    logprobs: Tensor
    ref_logprobs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    # What each episode's values were read from, [T, d], where that is kept.
    states: Sequence[Tensor] = ()

    @property
    def kl(self) -> Tensor:
        """k1 summed over each episode, float32 [B], nats."""
        return losses.kl_estimates(self.logprobs, self.ref_logprobs).k1.sum(1)


@dataclass(frozen=True)
class Judged:
    """What the judges say of one episode, an entry a response token."""

    score: float
    ref_logprobs: list[float]
    values: list[float]
    # What the values were read from, [T, d], where it is kept to learn from.
    states: Tensor | None = None


def gather_episodes(crew: Crew, mine: Episodes) -> Episodes:
    """The episodes of all processes, in the order of the prompts that were shared out."""
    # Every process gets all episodes, though it learns from a part: advantages are whitened over
    # the whole batch, and minibatches are drawn from it. They are lists of tokens, nothing beside a
    # gradient.
    rows = zip(mine.prompts, mine.responses, mine.logprobs, mine.finished, strict=True)
    prompts, responses, logprobs, finished = map(list, zip(*crew.gather(list(rows)), strict=True))
    return Episodes(prompts, responses, logprobs, finished, mine.end_id)


@dataclass(frozen=True)
class RewardRule:
    """How scores and KL become advantages; the fields are PPOConfig's."""

    beta: float
    unfinished_penalty: float
    gamma: float
    gae_lambda: float
    whiten_rewards: bool


def make_experience(
    episodes: Episodes, judged: Sequence[Judged], rule: RewardRule, device: torch.device
) -> Experience:
    """Rewards, advantages (whitened over the whole batch) and returns of judged episodes."""
    # The log-probabilities are those that sampling brought along: computed again they would cost a
    # pass and be other ones by rounding.
    logprobs, mask = _stack(episodes.logprobs, device)
    ref_logprobs, _ = _stack([j.ref_logprobs for j in judged], device)
    values, _ = _stack([j.values for j in judged], device)
    scores = torch.tensor([j.score for j in judged], device=device)
    unfinished = ~torch.tensor(episodes.finished, device=device)
    k1 = losses.kl_estimates(logprobs, ref_logprobs).k1
    # Apart from `scores`, which are reported as the reward model gave them.
    final = scores - rule.unfinished_penalty * unfinished
    rewards = losses.token_rewards(final, k1, mask, rule.beta)
    if rule.whiten_rewards:
        rewards = losses.whiten(rewards, mask, shift_mean=False)
    advantages, returns = losses.gae(rewards, values, mask, rule.gamma, rule.gae_lambda)
    # After the returns have been made: the value model learns returns in the score's units, and
    # only the policy's gradient is brought to one scale. Over the batch and not a minibatch, so
    # that an episode's gradient does not depend on its neighbours (docs/ppo.md).
    advantages = losses.whiten(advantages, mask)
    states = [j.states.to(device) for j in judged if j.states is not None]
    return Experience(
        episodes, scores, mask, logprobs, ref_logprobs, values, advantages, returns, states
    )


def _stack(
    rows: Sequence[Tokens] | Sequence[list[float]], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ragged rows as float32 [B, T] with zeros after them, and their mask."""
    tensors = [torch.tensor(row, dtype=torch.float32) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]
    return padded.to(device), mask.long().to(device)
