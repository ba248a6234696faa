"""One PPO batch of experience: sampled once, scored by three frozen passes, then learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from models_service.lm.heads import ScalarModel
from models_service.lm.padding import batches_under_budget
from models_service.lm.scoring import response_logprobs
from trainer.algorithms import losses
from trainer.algorithms.crew import Crew
from trainer.algorithms.episodes import Episodes, Tokens, response_values, score_episodes


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

    @property
    def kl(self) -> Tensor:
        """k1 summed over each episode, float32 [B], nats."""
        return losses.kl_estimates(self.logprobs, self.ref_logprobs).k1.sum(1)


@dataclass(frozen=True)
class Judges:
    """The frozen reference and reward model, and the value model as it is now."""

    reference: PreTrainedModel
    reward: ScalarModel
    value: ScalarModel
    temperature: float
    pad_id: int
    token_budget: int


@dataclass(frozen=True)
class Judged:
    """What the judges say of one episode, an entry a response token."""

    score: float
    ref_logprobs: list[float]
    values: list[float]


def judge(episodes: Episodes, judges: Judges) -> list[Judged]:
    """Score, reference log-probs and values of every episode, without gradient."""
    with torch.no_grad():
        scores = score_episodes(judges.reward, episodes, judges.pad_id, judges.token_budget)
        reference = response_logprobs(
            judges.reference, episodes.prompts, episodes.responses, judges.temperature
        )
        values = _values(episodes, judges)
    return [
        Judged(score, reference.logprobs[i, :length].tolist(), values[i])
        for i, (score, length) in enumerate(
            zip(scores.tolist(), map(len, episodes.responses), strict=True)
        )
    ]


def _values(episodes: Episodes, judges: Judges) -> list[list[float]]:
    values: dict[int, list[float]] = {}
    for rows in batches_under_budget(episodes.lengths(), judges.token_budget):
        prompts = [episodes.prompts[i] for i in rows]
        responses = [episodes.responses[i] for i in rows]
        batch = response_values(judges.value, prompts, responses, judges.pad_id)
        for row, value in zip(rows, batch, strict=True):
            values[row] = value[: len(episodes.responses[row])].tolist()
    return [values[i] for i in range(len(values))]


def gather_episodes(crew: Crew, mine: Episodes) -> Episodes:
    """The episodes of all processes, in the order of the prompts that were shared out."""
    rows = zip(mine.prompts, mine.responses, mine.logprobs, mine.finished, strict=True)
    prompts, responses, logprobs, finished = map(list, zip(*crew.gather(list(rows)), strict=True))
    return Episodes(prompts, responses, logprobs, finished)


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
    logprobs, mask = _stack(episodes.logprobs, device)
    ref_logprobs, _ = _stack([j.ref_logprobs for j in judged], device)
    values, _ = _stack([j.values for j in judged], device)
    scores = torch.tensor([j.score for j in judged], device=device)
    unfinished = ~torch.tensor(episodes.finished, device=device)
    k1 = losses.kl_estimates(logprobs, ref_logprobs).k1
    final = scores - rule.unfinished_penalty * unfinished
    rewards = losses.token_rewards(final, k1, mask, rule.beta)
    if rule.whiten_rewards:
        rewards = losses.whiten(rewards, mask, shift_mean=False)
    advantages, returns = losses.gae(rewards, values, mask, rule.gamma, rule.gae_lambda)
    advantages = losses.whiten(advantages, mask)
    return Experience(episodes, scores, mask, logprobs, ref_logprobs, values, advantages, returns)


def _stack(rows: Sequence[Tokens] | Sequence[list[float]], device: torch.device) -> tuple[
    Tensor, Tensor
]:  # fmt: skip
    """Ragged rows as float32 [B, T] with zeros after them, and their mask."""
    tensors = [torch.tensor(row, dtype=torch.float32) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]
    return padded.to(device), mask.long().to(device)
