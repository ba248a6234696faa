"""Runs one of TRL's trainers for one step on a tiny model and prints what it computed.

Usage: python trl_oracle.py JOBFILE, with the job {"algorithm"}. Runs in an environment of TRL's
own. Losses and gradients are taken from the trainers as they run: from `compute_loss`, and, since
PPOTrainer's arithmetic is one long method, from that method's own variables.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from models_service.lm.tiny import byte_tokenizer, tiny_model
from tests.trainer.algorithms.seeded import VOCABULARY, draw_weights, gradient_marks

PAD, STOP = 0, 1
SHARED = {
    "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none",
    "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True, "max_steps": 1,
}  # fmt: skip


def reward(folder: str) -> dict[str, Any]:
    """RewardTrainer on one pair: its loss, both scores, the gradient of every weight."""
    from trl import RewardConfig, RewardTrainer

    rng = random.Random(1)
    prompt, better, worse = (_tokens(rng, n) for n in (5, 4, 7))
    model = _scorer(folder)
    rows = [{"chosen_ids": prompt + better, "rejected_ids": prompt + worse}]
    trainer = RewardTrainer(
        model=model,
        processing_class=byte_tokenizer(),
        train_dataset=Dataset.from_list(rows),
        args=RewardConfig(output_dir=folder, pad_to_multiple_of=None, **SHARED),
    )
    inputs = trainer.data_collator(rows)
    loss, outputs = trainer.compute_loss(model, inputs, return_outputs=True)
    loss.backward()
    return {
        "prompt": prompt,
        "completions": [better, worse],
        "ranks": [1, 2],
        "pad": PAD,
        "loss": loss.item(),
        "scores": outputs.logits.flatten().tolist(),
        "gradients": gradient_marks(model),
    }


def sft(folder: str) -> dict[str, Any]:
    """SFTTrainer on one ragged batch, the loss on completions only."""
    from trl import SFTConfig, SFTTrainer

    rng = random.Random(2)
    rows = [{"prompt": _tokens(rng, p), "response": _tokens(rng, r)} for p, r in SFT_LENGTHS]
    model = _policy()
    examples = [
        {
            "input_ids": row["prompt"] + row["response"],
            "completion_mask": [0] * len(row["prompt"]) + [1] * len(row["response"]),
        }
        for row in rows
    ]
    arguments = SFTConfig(
        output_dir=folder,
        completion_only_loss=True,
        pad_to_multiple_of=None,
        per_device_train_batch_size=len(rows),
        **SHARED,
    )
    trainer = SFTTrainer(
        model=model,
        processing_class=byte_tokenizer(),
        args=arguments,
        train_dataset=Dataset.from_list(examples),
    )
    inputs = next(iter(trainer.get_train_dataloader()))
    loss = trainer.compute_loss(trainer.model, inputs)
    loss.backward()
    return {"rows": rows, "loss": loss.item(), "gradients": gradient_marks(trainer.model)}


SFT_LENGTHS = [(3, 9), (8, 1), (5, 4), (12, 6)]


def ppo(folder: str) -> dict[str, Any]:
    """PPOTrainer through two epochs on one batch, so that ratios have left 1 in the second."""
    from trl.experimental.ppo import PPOConfig, PPOTrainer
    from trl.experimental.ppo import ppo_trainer as module

    rng = random.Random(3)
    prompts = [{"input_ids": _tokens(rng, n)} for n in (4, 7, 5, 9, 6, 3)]
    arguments = PPOConfig(
        **{**SHARED, "max_steps": -1}, output_dir=folder, total_episodes=len(prompts),
        per_device_train_batch_size=len(prompts), gradient_accumulation_steps=1,
        num_mini_batches=1, num_ppo_epochs=2, response_length=8, stop_token_id=STOP,
        missing_eos_penalty=1.0, num_sample_generations=0, learning_rate=2e-2, kl_coef=0.1,
        temperature=0.7, local_rollout_forward_batch_size=len(prompts), seed=0,
        cliprange=0.2, cliprange_value=0.2, gamma=1.0, lam=0.95,
    )  # fmt: skip
    tokenizer = byte_tokenizer()
    tokenizer.padding_side = "left"
    torch.manual_seed(0)
    trainer = PPOTrainer(
        args=arguments,
        processing_class=tokenizer,
        model=_policy(),
        ref_model=_policy(variation=5),
        reward_model=_scorer(folder),
        value_model=_scorer(folder, seed=6),
        train_dataset=Dataset.from_list(prompts),
    )
    spy = _Spy(module)
    trainer.train()
    return spy.seen | {
        "kl_coef": 0.1, "temperature": 0.7, "clip": 0.2, "gamma": 1.0, "lam": 0.95,
        "missing_eos_penalty": 1.0, "stop": STOP, "pad": PAD,
    }  # fmt: skip


class _Spy:
    """Reads PPOTrainer.train's variables where it calls its module's masked means and whitening."""

    def __init__(self, module: Any) -> None:
        self.seen: dict[str, Any] = {"epochs": []}
        self._whiten, self._mean = module.masked_whiten, module.masked_mean
        module.masked_whiten, module.masked_mean = self.whiten, self.mean

    def whiten(self, values: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
        local = sys._getframe(1).f_locals
        result = self._whiten(values, mask, shift_mean)
        names = ("responses", "query_responses", "logprobs", "ref_logprobs", "values", "scores",
                 "rewards", "returns")  # fmt: skip
        self.seen |= {name: local[name].tolist() for name in names}
        self.seen |= {
            "context_length": local["context_length"],
            "advantages": values.tolist(),
            "whitened": result.tolist(),
            "mask": mask.long().tolist(),
            "value_mask": (~local["padding_mask_p1"]).long().tolist(),
        }
        return result

    def mean(self, values: Tensor, mask: Tensor, *rest: Any) -> Tensor:
        local = sys._getframe(1).f_locals
        result = self._mean(values, mask, *rest)
        if values is local.get("pg_loss_max"):
            self.seen["epochs"].append(
                {
                    "rows": local["micro_batch_inds"].tolist(),
                    "policy": _describe(result, local["new_logprobs"]),
                    "value": _describe(local["vf_loss"], local["vpred"]),
                }
            )
        return result


def _describe(loss: Tensor, source: Tensor) -> dict[str, Any]:
    gradient = torch.autograd.grad(loss, source, retain_graph=True)[0]
    return {"input": source.tolist(), "loss": loss.item(), "gradient": gradient.tolist()}


def _tokens(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(16, VOCABULARY) for _ in range(count)]


def _policy(variation: int = 0) -> Any:
    model = tiny_model(VOCABULARY, seed=0)
    draw_weights(model, variation=variation)
    return model


def _scorer(folder: str, seed: int = 0) -> nn.Module:
    """TRL's reward model: the tiny trunk under a sequence classifier's head without bias."""
    config = tiny_model(VOCABULARY, seed=0).config
    config.num_labels, config.pad_token_id = 1, PAD
    model = AutoModelForSequenceClassification.from_config(config)
    draw_weights(model, seed)
    return model


ALGORITHMS = {"reward": reward, "sft": sft, "ppo": ppo}

if __name__ == "__main__":
    algorithm = json.loads(Path(sys.argv[1]).read_text())["algorithm"]
    with tempfile.TemporaryDirectory() as work:
        fixture = ALGORITHMS[algorithm](work)
    made_by = {package: version(package) for package in ("trl", "torch", "transformers")}
    print(json.dumps({"made_by": made_by, **fixture}))
