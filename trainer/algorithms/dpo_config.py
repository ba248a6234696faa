"""The settings of DPO; they stand apart from it so that a form needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.algorithms.config import Config, option


@dataclass(frozen=True)
class DPOConfig(Config):
    """Settings of direct preference optimisation."""

    # Where no source is given: Rafailov et al. 2023, appendix B. The InstructGPT paper has no DPO.
    epochs: int = option(1, "Passes over the rankings", minimum=1)
    batch_size: int = option(64, "Prompts an update, with all their pairs", minimum=1)
    learning_rate: float = option(1e-6, "Peak; falls on a cosine to 10 %", minimum=0)
    # Never 0: IPO divides by it, and nothing would be learned by the other losses.
    beta: float = option(
        0.1, "β, how dearly the policy pays for leaving the reference", minimum=0.0001
    )
    loss: str = option(
        "sigmoid", "Of a prompt: pairs by DPO's or by IPO's loss, or its whole order by "
        "Plackett and Luce's model",
        choices=("sigmoid", "ipo", "plackett_luce"),
    )  # fmt: skip
    max_prompt_tokens: int = option(1024, "Longer prompts are skipped", paper=1024, minimum=1)
    max_response_tokens: int = option(1024, "Longer completions are cut", paper=1024, minimum=1)
    max_rankings: int = option(0, "Use only the newest so many; 0 for all", minimum=0)
    adam_epsilon: float = option(1e-8, "ε of Adam", minimum=0)
    max_grad_norm: float = option(1.0, "Gradients are scaled down to it; 0 for never", minimum=0)
    tokens_per_micro_batch: int = option(
        4096, "Memory against speed; no effect on results", minimum=1, operational=True
    )
    checkpoint_every: int = option(50, "Updates between saved states", minimum=1, operational=True)
    keep_states: int = option(2, "Saved states kept", minimum=1, operational=True)
    seed: int = option(0, "Same seed, same weights", minimum=0)
