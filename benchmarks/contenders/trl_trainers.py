"""TRL's trainers on the same tokens, in float32 and without checkpointing, timed by step.

Usage: python trl_trainers.py JOBFILE, with the job {"algorithm", "policy", "tokens", "arguments",
"steps", "pad_id"}; `tokens` names the workload's file of token ids. Runs in an environment of
TRL's own (environment.py).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from stopwatch import Enough, Stopwatch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
)

Rows = list[dict[str, Any]]


class StepTimer(TrainerCallback):
    """A step lasts from on_step_begin, where the trainer calls it, to on_step_end."""

    def __init__(self, watch: Stopwatch, phases: dict[str, float]) -> None:
        self.watch, self.phases = watch, phases

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.watch.start()

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self.watch.start()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.watch.stop(**self.phases)
        self.watch.start()


def reward_trainer(job: dict[str, Any], rows: Rows, shared: dict[str, Any]) -> Any:
    """RewardTrainer on all pairs of every group, a group a step."""
    from trl import RewardConfig, RewardTrainer

    pairs = [
        {"chosen_ids": row["prompt"] + better, "rejected_ids": row["prompt"] + worse}
        for row in rows
        for better, worse in _pairs(row["completions"], row["ranks"])
    ]
    arguments = RewardConfig(**shared, max_length=None, pad_to_multiple_of=None)
    return RewardTrainer(
        model=_scorer(job),
        args=arguments,
        processing_class=_tokenizer(job),
        train_dataset=Dataset.from_list(pairs),
    )


def sft_trainer(job: dict[str, Any], rows: Rows, shared: dict[str, Any]) -> Any:
    """SFTTrainer with the loss on completions only."""
    from trl import SFTConfig, SFTTrainer

    examples = [
        {
            "input_ids": row["prompt"] + row["response"],
            "completion_mask": [0] * len(row["prompt"]) + [1] * len(row["response"]),
        }
        for row in rows
    ]
    arguments = SFTConfig(
        **shared, max_length=None, pad_to_multiple_of=None, completion_only_loss=True
    )
    return SFTTrainer(
        model=_policy(job),
        args=arguments,
        processing_class=_tokenizer(job),
        train_dataset=Dataset.from_list(examples),
    )


def ppo_trainer(job: dict[str, Any], rows: Rows, shared: dict[str, Any]) -> Any:
    """The experimental PPOTrainer with four models apart; no stop token, one epoch."""
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    arguments = PPOConfig(
        **shared,
        num_ppo_epochs=1,
        num_mini_batches=1,
        num_sample_generations=0,
        kl_coef=0.02,
        total_episodes=10**6,
        temperature=1.0,
    )
    return PPOTrainer(
        args=arguments,
        processing_class=_tokenizer(job),
        model=_policy(job),
        ref_model=_policy(job),
        reward_model=_scorer(job),
        value_model=_scorer(job),
        train_dataset=Dataset.from_list([{"input_ids": row["prompt"]} for row in rows]),
    )


def measure_phases(phases: dict[str, float]) -> None:
    """Note how long PPOTrainer generates, and how long it scores (until it whitens)."""
    from trl.experimental.ppo import ppo_trainer as module

    generate, whiten = module.batch_generation, module.masked_whiten
    generated = 0.0

    def timed_generation(*args: Any, **kwargs: Any) -> Any:
        nonlocal generated
        started = time.perf_counter()
        result = generate(*args, **kwargs)
        generated = time.perf_counter()
        phases["time/generate"] = generated - started
        return result

    def timed_whitening(*args: Any, **kwargs: Any) -> Any:
        phases["time/score"] = time.perf_counter() - generated
        return whiten(*args, **kwargs)

    module.batch_generation, module.masked_whiten = timed_generation, timed_whitening


def _pairs(completions: list[list[int]], ranks: list[int]) -> list[tuple[list[int], list[int]]]:
    ordered = sorted(zip(ranks, completions, strict=True))
    return [(better, worse) for (a, better), (b, worse) in combinations(ordered, 2) if a < b]


def _policy(job: dict[str, Any]) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(job["policy"], dtype=torch.float32)


def _scorer(job: dict[str, Any]) -> PreTrainedModel:
    return AutoModelForSequenceClassification.from_pretrained(
        job["policy"], dtype=torch.float32, num_labels=1, pad_token_id=job["pad_id"]
    )


def _tokenizer(job: dict[str, Any]) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(job["policy"], padding_side="left")
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(job["pad_id"])
    return tokenizer


TRAINERS = {"reward": reward_trainer, "sft": sft_trainer, "ppo": ppo_trainer}


def run(job: dict[str, Any]) -> Stopwatch:
    """Train until enough steps are timed."""
    rows = json.loads(Path(job["tokens"]).read_text())
    watch, phases = Stopwatch(job["steps"]), {}
    with tempfile.TemporaryDirectory() as folder:
        shared = {
            "output_dir": folder,
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "report_to": "none",
            "save_strategy": "no",
            "logging_strategy": "no",
            "disable_tqdm": True,
            "learning_rate": 1e-5,
            "lr_scheduler_type": "constant",
            **job["arguments"],
        }
        if job["algorithm"] == "ppo":
            measure_phases(phases)
        trainer = TRAINERS[job["algorithm"]](job, rows, shared)
        trainer.add_callback(StepTimer(watch, phases))
        try:
            trainer.train()
        except Enough:
            return watch
    raise RuntimeError("the workload has too few rows for so many steps")


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text())).print()
