"""The settings of the algorithms and of the evaluation: meanings and the paper's values.

They stand apart from the algorithms so that a form can be made of them without loading PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.algorithms.config import Config, option


@dataclass(frozen=True)
class SFTConfig(Config):
    """Settings of supervised fine-tuning."""

    # The paper's: appendix C.1.
    epochs: int = option(16, "Passes over the demonstrations", paper=16, minimum=1)
    batch_size: int = option(32, "Demonstrations an update", paper=32, minimum=1)
    learning_rate: float = option(
        9.65e-6, "Peak; falls on a cosine to 10 %", paper=9.65e-6, minimum=0
    )
    residual_dropout: float = option(
        0.2, "Where the architecture has it; Llama has none", paper=0.2, minimum=0, maximum=0.9
    )
    # The paper's 0.1 is that of the model which PPO starts from (C.3), not of the SFT models that
    # it compares with.
    pretraining_share: float = option(
        0.0, "Share of pretraining text among the examples", paper=0.1, minimum=0, maximum=0.9
    )
    pretraining_tokens: int = option(256, "Length of a block of that text", minimum=2)
    # Appendix C: context 2k, prompts over 1k left out, responses of at most 1k.
    max_prompt_tokens: int = option(1024, "Longer prompts are skipped", paper=1024, minimum=1)
    max_response_tokens: int = option(1024, "Longer responses are cut", paper=1024, minimum=1)
    # 0 for all, since a slice [-0:] is the whole list.
    max_demonstrations: int = option(0, "Use only the newest so many; 0 for all", minimum=0)
    eval_prompts: int = option(64, "Validation prompts the reward model scores", minimum=1)
    adam_epsilon: float = option(1e-8, "ε of Adam", minimum=0)
    max_grad_norm: float = option(1.0, "Gradients are scaled down to it; 0 for never", minimum=0)
    # Operational but for dropout, whose mask is drawn for a micro-batch as it lies: on a tiny GPT-2
    # other micro-batches ended 24 % of the way from a run's weights, another seed 33 %
    # (docs/distributed.md).
    tokens_per_micro_batch: int = option(
        4096,
        "Memory against speed; no effect on results but dropout's",
        minimum=1,
        operational=True,
    )
    checkpoint_every: int = option(50, "Updates between saved states", minimum=1, operational=True)
    keep_states: int = option(2, "Saved states kept", minimum=1, operational=True)
    seed: int = option(0, "Same seed, same weights", minimum=0)


@dataclass(frozen=True)
class RewardConfig(Config):
    """Settings of reward modelling."""

    # The paper's: appendix C.2 and section 3.5.
    epochs: int = option(1, "Passes over the rankings; more than one overfits", paper=1, minimum=1)
    # Prompts, not pairs: at K = 9 an update has up to 64 · 36 = 2,304 of those.
    batch_size: int = option(64, "Prompts an update, with all their pairs", paper=64, minimum=1)
    learning_rate: float = option(9e-6, "Peak; falls on a cosine to 10 %", paper=9e-6, minimum=0)
    max_prompt_tokens: int = option(1024, "Longer prompts are skipped", paper=1024, minimum=1)
    max_response_tokens: int = option(1024, "Longer completions are cut", paper=1024, minimum=1)
    max_rankings: int = option(0, "Use only the newest so many; 0 for all", minimum=0)
    heads: int = option(
        1, "Heads of an ensemble, each learning from a bootstrap of its own; their mean is the "
        "score, their disagreement a prompt's uncertainty", paper=1, minimum=1, maximum=64,
    )  # fmt: skip
    folds: int = option(
        0, "Also train once for so many folds of labelers, to report how well each predicts "
        "those it did not learn from; 0 for not", paper=5, minimum=0, maximum=20,
    )  # fmt: skip
    adam_epsilon: float = option(1e-8, "ε of Adam", minimum=0)
    max_grad_norm: float = option(1.0, "Gradients are scaled down to it; 0 for never", minimum=0)
    tokens_per_micro_batch: int = option(
        4096, "Memory against speed; no effect on results", minimum=1, operational=True
    )
    checkpoint_every: int = option(50, "Updates between saved states", minimum=1, operational=True)
    keep_states: int = option(2, "Saved states kept", minimum=1, operational=True)
    seed: int = option(0, "Same seed, same weights", minimum=0)


@dataclass(frozen=True)
class BestOfNConfig(Config):
    """Settings of best of n, which trains nothing."""

    # KL grows with ln n alone: 64 answers are 3.2 nats, and cost four times what 16 do, at 1.8.
    n: int = option(16, "Responses of which the reward model chooses one", minimum=2, maximum=64)
    prompts: int = option(64, "Validation prompts to measure it on", minimum=1)
    max_prompt_tokens: int = option(1024, "Longer prompts are skipped", paper=1024, minimum=1)
    max_response_tokens: int = option(64, "Sampling ends here", paper=1024, minimum=1)
    temperature: float = option(1.0, "Of sampling", paper=1.0, minimum=0.01)
    tokens_per_micro_batch: int = option(
        4096, "Memory against speed; no effect on results", minimum=1, operational=True
    )
    seed: int = option(0, "Same seed, same responses", minimum=0)


@dataclass(frozen=True)
class PPOConfig(Config):
    """Settings of PPO; with `ptx_coefficient` above 0 it is PPO-ptx."""

    # 256,000 episodes in batches of 512 (appendix C.4, as what follows where `paper` is given).
    iterations: int = option(500, "Batches of episodes", paper=500, minimum=1)
    trunk: str = option(
        "separate", "Four transformers apart, or two that are shared: far less memory, faster, and "
        "adapters instead of all weights are trained, at higher learning rates",
        paper="separate", choices=("separate", "shared"),
    )  # fmt: skip
    lora_rank: int = option(16, "Of the policy's adapters, where trunks are shared", minimum=1)
    batch_size: int = option(512, "Episodes an iteration", paper=512, minimum=1)
    minibatch_size: int = option(64, "Episodes an update", paper=64, minimum=1)
    inner_epochs: int = option(1, "Passes over each batch", paper=1, minimum=1)
    # The paper searched a range and names no single one: the value model's, which lies in it.
    learning_rate: float = option(9e-6, "Peak of the policy's", minimum=0)
    value_learning_rate: float = option(9e-6, "Peak of the value model's", paper=9e-6, minimum=0)
    warmup_iterations: int = option(
        10, "Iterations from a tenth of the peak to the peak", paper=10, minimum=0
    )
    # Never 0: logits are divided by it.
    temperature: float = option(1.0, "Of sampling, and of every log-prob", paper=1.0, minimum=0.01)
    max_prompt_tokens: int = option(1024, "Longer prompts are skipped", paper=1024, minimum=1)
    max_response_tokens: int = option(1024, "Sampling ends here", paper=1024, minimum=1)
    # Without it the policy learns that endings do not matter (docs/ppo.md).
    unfinished_penalty: float = option(
        1.0, "Taken off the score of a response without stop token", minimum=0
    )
    kl_coefficient: float = option(0.02, "β, the penalty a nat of KL", paper=0.02, minimum=0)
    adaptive_kl: bool = option(False, "Steer β towards kl_target", paper=False)
    kl_target: float = option(6.0, "Nats an episode, where β adapts", minimum=0.001)
    kl_horizon: int = option(10_000, "Episodes over which β adapts", minimum=1)
    # A brake and not a target: far from the reference a reward model scores what it was never
    # taught.
    kl_limit: float = option(0.0, "The run ends when KL passes it; 0 for never", minimum=0)
    gamma: float = option(1.0, "Discount", paper=1.0, minimum=0, maximum=1)
    # The paper names none: lm-human-preferences', from which its code grew, as is `value_clip`.
    gae_lambda: float = option(0.95, "λ of the advantage estimate", minimum=0, maximum=1)
    clip: float = option(0.2, "Of the policy's ratio", paper=0.2, minimum=0.001)
    value_clip: float = option(0.2, "Of the value's move", minimum=0.001)
    # Off: scaled, β would no longer be a price a nat.
    whiten_rewards: bool = option(False, "Scale rewards to variance 1")
    # On a token mean, so that it does not depend on how long the blocks are.
    ptx_coefficient: float = option(
        27.8, "γ_ptx, on the token mean of the pretraining loss; 0 for plain PPO",
        paper=27.8, minimum=0,
    )  # fmt: skip
    ptx_examples_per_episode: int = option(8, "Blocks of pretraining text", paper=8, minimum=1)
    ptx_tokens: int = option(256, "Length of a block", minimum=2)
    # A short run wants a smaller one: over a few dozen updates 0.992 exports mostly what was
    # started from.
    ema_decay: float = option(
        0.992, "Of the averaged weights, which are exported", paper=0.992, minimum=0, maximum=1
    )
    # Huang et al. 2023, "The N Implementation Details of RLHF with PPO"; the library's is 1e-8.
    adam_epsilon: float = option(1e-5, "ε of Adam", minimum=0)
    max_grad_norm: float = option(1.0, "Gradients are scaled down to it; 0 for never", minimum=0)
    evaluate_every: int = option(25, "Iterations between evaluations", minimum=1)
    eval_prompts: int = option(64, "Validation prompts an evaluation", minimum=1)
    tokens_per_micro_batch: int = option(
        4096, "Memory against speed; no effect on results", minimum=1, operational=True
    )
    checkpoint_every: int = option(
        10, "Iterations between saved states", minimum=1, operational=True
    )
    keep_states: int = option(2, "Saved states kept", minimum=1, operational=True)
    seed: int = option(0, "Same seed, same weights", minimum=0)


@dataclass(frozen=True)
class EvaluationConfig(Config):
    """Settings of the comparison."""

    prompts: int = option(64, "Validation prompts both policies answer", minimum=2)
    # Two, so that the best of the baseline's can be told (`yardstick`); more prompts narrow an
    # interval sooner than more answers to the same.
    answers_per_prompt: int = option(2, "Answers of each policy to a prompt", minimum=1)
    max_prompt_tokens: int = option(1024, "Longer prompts are skipped", paper=1024, minimum=1)
    max_response_tokens: int = option(64, "Sampling ends here", paper=1024, minimum=1)
    temperature: float = option(1.0, "Of sampling", paper=1.0, minimum=0.01)
    tokens_per_micro_batch: int = option(
        4096, "Memory against speed; no effect on results", minimum=1, operational=True
    )
    seed: int = option(0, "Same seed, same answers", minimum=0)
