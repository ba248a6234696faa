"""RLOO: the policy learns from how its responses to a prompt compare with one another.

REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024, "Back to Basics"); no value model.
What is not here is `on_policy`'s. Every metric and choice is explained in docs/rloo.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from trainer.algorithms import losses
from trainer.algorithms.contract import Reporter, Result, Starts
from trainer.algorithms.episodes import Episodes
from trainer.algorithms.learner import PolicyLearner
from trainer.algorithms.on_policy import OnPolicy
from trainer.algorithms.rloo_config import RLOOConfig
from trainer.algorithms.rollouts import Batch, Experience, Judged, make_batch

__all__ = ["RLOOConfig", "train"]


def train(
    config: RLOOConfig,
    *,
    snapshot: Path,
    start: Starts,
    out: Path,
    work: Path,
    report: Reporter,
    pretraining_text: Path | None = None,
) -> Result:
    """Train `start.policy` against `start.reward` and write the averaged weights to `out`.

    Called again with the same `work` it goes on where it was, to the same weights. Raises
    TrainingError and CheckpointError.
    """
    return RLOO(config, snapshot, start, report, pretraining_text).run(out, work)


def compared(batch: Batch, config: RLOOConfig, beta: float) -> Experience:
    """A batch, the K responses to a prompt one after the other, with their advantages."""
    # Of the whole response, which is one action here: its score and its KL penalty together. The
    # sum of PPO's token rewards, so that β means the same in both.
    rewards = batch.rewards(beta, config.unfinished_penalty).sum(1)
    groups = rewards.view(-1, config.samples_per_prompt)
    ahead = losses.rloo_advantages(groups).flatten()
    advantages = ahead
    if config.normalise == "group":
        advantages = losses.rloo_advantages(groups, normalise=True).flatten()

    def each_token(x: torch.Tensor) -> torch.Tensor:
        return torch.where(batch.mask.bool(), x[:, None], 0.0)

    # Not whitened over the batch: the baseline has centred them already, prompt by prompt.
    return Experience(
        **vars(batch),
        values=each_token(rewards - ahead),
        advantages=each_token(advantages),
        returns=each_token(rewards),
    )


class RLOO(OnPolicy):
    """A run of RLOO."""

    name, title, critic = "rloo", "RLOO", False
    config: RLOOConfig

    def __init__(
        self,
        config: RLOOConfig,
        snapshot: Path,
        start: Starts,
        report: Reporter,
        pretraining_text: Path | None,
    ) -> None:
        super().__init__(config, snapshot, start, report, pretraining_text)
        self.learner = PolicyLearner(config, self.trunks, self.blocks, self.crew)

    @property
    def each(self) -> int:
        return self.config.samples_per_prompt

    def experience(self, episodes: Episodes, judged: Sequence[Judged]) -> Experience:
        batch = make_batch(episodes, judged, self.crew.device)
        return compared(batch, self.config, self.beta)

    def _describe(self, e: Experience) -> dict[str, float]:
        # Of what the prompt's other responses leave open: near 0, they all earn the same, and there
        # is nothing to learn from.
        ahead = (e.returns - e.values)[:, 0]
        return super()._describe(e) | {"rloo/advantages_std": float(ahead.std(unbiased=False))}
