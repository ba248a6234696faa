"""Supervised fine-tuning: the policy learns to write what the labelers wrote.

Read top to bottom: settings, the run, one step, how the epoch is chosen. Every metric is explained
in docs/sft.md. Few-shot prompts arrive here already expanded into several demonstrations.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models_service.lm.chat import pad_token_id, stop_token_ids
from models_service.lm.checkpoint import load_policy, load_reward, save_policy, write_folder
from models_service.lm.cpu import accumulate
from models_service.lm.generation import Sampling
from models_service.lm.heads import ScalarModel
from models_service.lm.padding import lean_batches
from models_service.lm.scoring import response_logprobs
from trainer.algorithms import loop, losses
from trainer.algorithms.batches import PretrainingText, cut
from trainer.algorithms.contract import Reporter, Result, Starts
from trainer.algorithms.data import Encoder, Example, read_snapshot, require
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import sample_episodes, sample_rows, score_episodes
from trainer.algorithms.optimize import adam, update
from trainer.algorithms.resume import (
    State,
    States,
    fingerprint,
    module_tensors,
    optimizer_tensors,
    restore_module,
    restore_optimizer,
    writing,
)
from trainer.algorithms.schedules import cosine_to_tenth, set_learning_rate
from trainer.algorithms.seeds import derive, permutation, stream
from trainer.algorithms.settings import SFTConfig

BEST = "best"

# What the residual branches' dropout modules are called in GPT-2, GPT-NeoX and Phi.
RESIDUAL_DROPOUTS = ("resid_dropout", "mlp.dropout", "post_attention_dropout", "post_mlp_dropout")


def train(
    config: SFTConfig,
    *,
    snapshot: Path,
    start: Starts,
    out: Path,
    work: Path,
    report: Reporter,
    pretraining_text: Path | None = None,
) -> Result:
    """Fine-tune `start.policy` on the snapshot's demonstrations and write the best epoch to `out`.

    Called again with the same `work` it goes on where it was, to the same weights. With
    `start.reward` the epoch is the one whose responses score best on validation prompts, else the
    one with the least validation loss. Raises TrainingError and CheckpointError.
    """
    job = FineTuning(config, snapshot, start, work, report, pretraining_text)
    states = States(work, job.fingerprint, config.keep_states)
    ended = loop.run(job, states, report, config.checkpoint_every, job.crew)
    if ended.stopped:
        return Result(ended.step, stopped=True)
    if job.crew.is_first:
        with writing(out), write_folder(out) as folder:
            # Copied, not moved: a run that is killed between the two, and taken up again, finds its
            # best epoch still there.
            shutil.copytree(work / BEST, folder, dirs_exist_ok=True)
    job.crew.wait()
    return Result(ended.step, job.best, notes=job.notes())


class FineTuning:
    """One run: models, data and everything that a state has to hold."""

    def __init__(
        self,
        config: SFTConfig,
        snapshot: Path,
        start: Starts,
        work: Path,
        report: Reporter,
        pretraining_text: Path | None,
    ) -> None:
        self.config, self.work, self.report = config, work, report
        self.crew, self.clock, self.done = Crew(), loop.Clock(), False
        self.policy, self.tokenizer = load_policy(start.policy)
        self.crew.place(self.policy)
        self.dropouts = set_residual_dropout(self.policy, config.residual_dropout)
        self.reward: ScalarModel | None = None
        if start.reward:
            reward, reward_tokenizer = load_reward(start.reward)
            # Of a base of another family the promoted reward model reads nothing: until it has one
            # of its own, its epoch is chosen by loss, as in a first round.
            if reward_tokenizer.get_vocab() == self.tokenizer.get_vocab():
                # Whole in every process, never sharded: it is asked once an epoch and not trained.
                self.reward = reward.to(self.crew.device)
        self.reward_left_out = start.reward is not None and self.reward is None
        self.optimizer = adam(self.policy, config.adam_epsilon)
        self._read(snapshot, start, pretraining_text)
        self.steps_per_epoch = ceil(len(self.examples) / config.batch_size)
        self.total = config.epochs * self.steps_per_epoch
        self.best: dict[str, float] = {}
        self.epochs: list[dict[str, float]] = []

    def _read(self, path: Path, start: Starts, pretraining_text: Path | None) -> None:
        config, data = self.config, read_snapshot(path)
        self.encoder = Encoder(self.tokenizer, config.max_prompt_tokens, config.max_response_tokens)
        training = [d for d in data.demonstrations if d.split == "train"]
        validation = [d for d in data.demonstrations if d.split == "validation"]
        # The newest, as in reward modelling; [-0:] is all.
        self.examples = self.encoder.examples(training[-config.max_demonstrations :])
        require(self.examples, "demonstration to learn from", "Collect some, or raise the limits.")
        self.validation = self.encoder.examples(validation[-config.max_demonstrations :])
        self.blocks: list[Example] = []
        self.text_notes: dict[str, Any] = {}
        inputs = [data.sha256]
        if config.pretraining_share:
            text = PretrainingText(self.tokenizer, pretraining_text, config.pretraining_tokens)
            self.blocks, self.text_notes = text.blocks, text.notes
            inputs.append(text.sha256)
        self.fingerprint = fingerprint("sft", config.identity(), start, *inputs)

    def step(self, step: int) -> dict[str, float]:
        """One update, and after the last of an epoch its evaluation."""
        # Of the step alone, so that no scheduler's state has to be saved.
        rate = self.config.learning_rate * cosine_to_tenth(step, self.total)
        set_learning_rate(self.optimizer, rate)
        with self.clock.measure("train"), self.crew.repeatable():
            metrics = {**self._update(self._batch(step), step), "lr": rate}
        if (step + 1) % self.steps_per_epoch == 0:
            with self.clock.measure("evaluate"):
                metrics |= self._close_epoch((step + 1) // self.steps_per_epoch)
        return metrics

    def _batch(self, step: int) -> list[Example]:
        """Demonstrations in this epoch's order, and their share of pretraining text."""
        epoch, index = divmod(step, self.steps_per_epoch)
        # The whole epoch's order for one batch of it: milliseconds, and no position to save.
        order = permutation(len(self.examples), self.config.seed, "epoch", epoch)
        batch = [self.examples[i] for i in cut(order, self.config.batch_size)[index]]
        if not self.blocks:
            return batch
        per_step = self.config.batch_size * self.config.pretraining_share
        # A share s of all examples is s/(1 − s) of the demonstrations.
        per_step /= 1 - self.config.pretraining_share
        # Whole examples, whose number changes from step to step so that the share is right over the
        # run: 32 demonstrations at 10 % are 3.56 blocks a step.
        first, last = int(step * per_step), int((step + 1) * per_step)
        places = stream(len(self.blocks), first, last - first, self.config.seed, "text")
        return batch + [self.blocks[i] for i in places]

    def _update(self, batch: list[Example], step: int) -> dict[str, float]:
        """Mean cross-entropy over all response tokens of the batch, one optimizer step."""
        # Of the batch, not of a part or of this process: see `losses`.
        tokens = sum(len(example.response) for example in batch)
        # Dropout draws from the global generator, which nothing else may have moved: set for every
        # step, a resumed run drops out what the first would have.
        torch.manual_seed(derive(self.config.seed, "dropout", step))
        # Where nothing drops out the model stays in evaluation mode: a router's jitter, for one, is
        # only for training.
        self.policy.train(self.dropouts > 0)
        total = torch.zeros((), device=self.crew.device)
        parts = self._micro_batches(self.crew.share(batch))
        with accumulate.in_place(self.policy):
            for examples, weight in self.crew.in_step(parts, batch[:1]):
                loss = weight * self._loss(examples, tokens)
                loss.backward()
                total += loss.detach()
        self.policy.eval()
        norm = update(self.optimizer, self.config.max_grad_norm, self.crew)
        loss_sum = float(self.crew.total(total))
        return {"sft/loss": loss_sum, "sft/tokens": float(tokens), "grad_norm": norm}

    def _loss(self, examples: list[Example], tokens: int) -> Tensor:
        with self.crew.autocast():
            scored = response_logprobs(
                self.policy, [e.prompt for e in examples], [e.response for e in examples]
            )
        return losses.cross_entropy(scored.logprobs, scored.mask, tokens)

    def _micro_batches(self, examples: list[Example]) -> list[list[Example]]:
        lengths = [example.length for example in examples]
        budget = self.config.tokens_per_micro_batch
        # By length within the batch alone. Batches of like length would make steps that see only
        # short answers.
        groups = lean_batches(lengths, budget, self.crew.device)
        return [[examples[i] for i in group] for group in groups]

    def _close_epoch(self, epoch: int) -> dict[str, float]:
        """Measure the epoch and keep its weights if it is the best so far."""
        # Sampling and validation take another number of passes in every process.
        with self.crew.gathered(self.policy):
            metrics = self._evaluate(epoch)
        record = {"epoch": float(epoch), **metrics}
        self.epochs.append(record)
        # The first epoch is always kept: a later one may be worse by every measure, and something
        # has to be exported. Strictly better, so that of equals the earlier stays.
        if not self.best or self._is_better(record):
            self.best = record
            weights = self.crew.whole(self.policy.state_dict())
            if self.crew.is_first:
                # Not part of the state but beside it: as large as one, and written only when there
                # is a better epoch. A run that repeats the epoch writes the same bytes.
                with writing(self.work / BEST):
                    save_policy(self.policy, self.tokenizer, self.work / BEST, weights)
            self.crew.wait()
        return metrics

    def _is_better(self, record: Mapping[str, float]) -> bool:
        # Loss is the wrong judge of a policy that samples (section 3.5: "our SFT models overfit on
        # validation loss after 1 epoch; however, … training for more epochs helps both the RM score
        # and human preference ratings").
        if self.criterion == "reward":
            return record["eval/scores"] > self.best["eval/scores"]
        if self.criterion == "loss":
            return record["eval/loss"] < self.best["eval/loss"]
        return True

    @property
    def criterion(self) -> str:
        """What chooses the epoch: reward, loss, or last where nothing can be measured."""
        if not self.validation:
            return "last"
        return "reward" if self.reward else "loss"

    @torch.no_grad()
    def _evaluate(self, epoch: int) -> dict[str, float]:
        if not self.validation:
            return {}
        tokens = sum(len(example.response) for example in self.validation)
        parts = [self._loss(part, tokens) for part in self._micro_batches(self.validation)]
        metrics = {"eval/loss": float(torch.stack(parts).sum())}
        return metrics | (self._reward_scores(epoch) if self.reward else {})

    def _reward_scores(self, epoch: int) -> dict[str, float]:
        assert self.reward is not None
        config, pad = self.config, pad_token_id(self.tokenizer)
        prompts = [example.prompt for example in self.validation][: config.eval_prompts]
        # Without the epoch: the same draws for each, so that epochs differ by their weights.
        seed = derive(config.seed, "evaluation")
        stop = stop_token_ids(self.tokenizer)
        sampling = Sampling(config.max_response_tokens, 1.0, seed, stop, pad)
        with self.crew.autocast():
            episodes = sample_episodes(self.policy, prompts, sampling)
            scores = score_episodes(self.reward, episodes, pad, config.tokens_per_micro_batch)
        if self.crew.is_first:
            self.report.sample(epoch, sample_rows(self.tokenizer, episodes, scores, 8))
        return {"eval/scores": float(scores.mean())}

    def tensors(self) -> dict[str, Tensor]:
        """Weights and Adam's moments."""
        moments = optimizer_tensors("optimizer", self.optimizer)
        return module_tensors("policy", self.policy) | moments

    def values(self) -> dict[str, Any]:
        """What the epochs measured so far, and which was best."""
        return {"best": self.best, "epochs": self.epochs}

    def restore(self, state: State) -> None:
        """Take up a saved state."""
        restore_module("policy", self.policy, state.tensors)
        restore_optimizer("optimizer", self.optimizer, state.tensors)
        self.best, self.epochs = state.values["best"], state.values["epochs"]

    def notes(self) -> dict[str, Any]:
        """What was decided on the way, for the run's page."""
        name, left_out = type(self.policy).__name__, self.reward_left_out
        dropout = self.config.residual_dropout if self.dropouts else f"none in {name}"
        return {
            "chosen_epoch": int(self.best["epoch"]),
            "chosen_by": self.criterion,
            "epochs": self.epochs,
            "residual_dropout": dropout,
            **({"reward_model": "left out: it uses another tokenizer"} if left_out else {}),
            "demonstrations": len(self.examples),
            **self.encoder.counts,
            **self.text_notes,
        }


def set_residual_dropout(model: PreTrainedModel, rate: float) -> int:
    """Set the dropout of the residual branches and switch every other off; how many were set.

    0 means that the architecture has none (Llama and its kin) or that the rate is 0.
    """
    found = 0
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout):
            residual = name.endswith(RESIDUAL_DROPOUTS)
            # The paper names residual dropout and no other; checkpoints bring attention and
            # embedding dropout of their own, 0.1 as a rule.
            module.p = rate if residual else 0.0
            found += residual and rate > 0
    return found
