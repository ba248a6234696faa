"""The settings of RLOO; they stand apart from it so that a form needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.algorithms.config import ConfigError, option
from trainer.algorithms.settings import OnPolicyConfig


@dataclass(frozen=True)
class RLOOConfig(OnPolicyConfig):
    """Settings of RLOO: PPO's without those of the value model."""

    # RLOO's paper mixes no text in; PPO's coefficient would drown its gradient.
    ptx_coefficient: float = option(
        0.0, "γ_ptx, on the token mean of the pretraining loss; 0 for none", paper=27.8, minimum=0
    )
    # Ahmadian et al. 2024 try 2 and 4: more is better, at the same number of prompts.
    samples_per_prompt: int = option(
        4, "Responses to a prompt, compared with one another; batch_size is a multiple of it",
        minimum=2, maximum=256,
    )  # fmt: skip
    normalise: str = option(
        "none", "Divide advantages by the spread of their prompt's rewards: with group it is "
        "GRPO's estimator",
        choices=("none", "group"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size % self.samples_per_prompt:
            multiple = (
                f"must be a multiple of samples_per_prompt, which is {self.samples_per_prompt}"
            )
            raise ConfigError({"batch_size": multiple})
