"""PPO and PPO-ptx: the policy learns to write what the reward model scores highly, and a value
model to foresee it.

What is not here is `on_policy`'s. Every metric and every choice that the paper leaves open is
explained in docs/ppo.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.algorithms import losses
from trainer.algorithms.contract import Reporter, Result, Starts
from trainer.algorithms.episodes import Episodes
from trainer.algorithms.learner import Learner
from trainer.algorithms.on_policy import OnPolicy
from trainer.algorithms.rollouts import Experience, Judged, RewardRule, make_experience
from trainer.algorithms.settings import PPOConfig

__all__ = ["PPOConfig", "train"]


def train(
    config: PPOConfig,
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
    return PPO(config, snapshot, start, report, pretraining_text).run(out, work)


class PPO(OnPolicy):
    """A run of PPO."""

    name, title, critic = "ppo", "PPO", True
    config: PPOConfig

    def __init__(
        self,
        config: PPOConfig,
        snapshot: Path,
        start: Starts,
        report: Reporter,
        pretraining_text: Path | None,
    ) -> None:
        super().__init__(config, snapshot, start, report, pretraining_text)
        self.learner = Learner(config, self.trunks, self.blocks, self.crew)

    def experience(self, episodes: Episodes, judged: Sequence[Judged]) -> Experience:
        c = self.config
        rule = RewardRule(self.beta, c.unfinished_penalty, c.gamma, c.gae_lambda, c.whiten_rewards)
        return make_experience(episodes, judged, rule, self.crew.device)

    def _describe(self, e: Experience) -> dict[str, float]:
        explained = losses.explained_variance(e.values, e.returns, e.mask)
        return super()._describe(e) | {"ppo/val/explained_variance": float(explained)}
