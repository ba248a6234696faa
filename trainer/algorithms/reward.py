"""Reward modelling: a scalar learns to order completions as the labelers ranked them.

Read top to bottom: settings, the run, one step, how it is measured, the offset. Every metric is
explained in docs/reward.md. All pairs of a prompt are one batch element, and every completion
passes through the model once a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models_service.lm.chat import pad_token_id
from models_service.lm.checkpoint import load_policy, save_reward
from models_service.lm.heads import ScalarModel
from models_service.lm.padding import batches_under_budget
from trainer.algorithms import loop
from trainer.algorithms.accuracy import (
    Interval,
    calibration_error,
    clustered_mean,
    pair_margins,
    pair_outcomes,
)
from trainer.algorithms.batches import cut
from trainer.algorithms.contract import Reporter, Result, Starts
from trainer.algorithms.crew import Crew
from trainer.algorithms.data import (
    HELD_OUT_LABELERS,
    TRAINING_LABELERS,
    Encoder,
    Group,
    Ranking,
    Snapshot,
    read_snapshot,
    require,
)
from trainer.algorithms.losses import ranking_loss
from trainer.algorithms.optimize import adam, update
from trainer.algorithms.packing import group_scores
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
from trainer.algorithms.seeds import derive, permutation
from trainer.algorithms.settings import RewardConfig


def train(
    config: RewardConfig,
    *,
    snapshot: Path,
    start: Starts,
    out: Path,
    work: Path,
    report: Reporter,
) -> Result:
    """Train a reward model that starts from `start.policy` and write it to `out`.

    Called again with the same `work` it goes on where it was, to the same weights. Raises
    TrainingError and CheckpointError.
    """
    job = RewardModelling(config, snapshot, start)
    states = States(work, job.fingerprint, config.keep_states)
    ended = loop.run(job, states, report, config.checkpoint_every, job.crew)
    if ended.stopped:
        return Result(ended.step, stopped=True)
    metrics = job.measure() | job.center()
    if job.crew.is_first:
        report.metrics(ended.step, job.total, metrics)
        with writing(out):
            save_reward(job.model, job.tokenizer, out)
    job.crew.wait()
    return Result(ended.step, metrics, notes=job.notes)


class RewardModelling:
    """One run: the model, the groups and everything that a state has to hold."""

    def __init__(self, config: RewardConfig, snapshot: Path, start: Starts) -> None:
        self.config, self.crew, self.clock, self.done = config, Crew(), loop.Clock(), False
        policy, self.tokenizer = load_policy(start.policy)
        self.pad_id = pad_token_id(self.tokenizer)
        self.model = ScalarModel.from_policy(policy, derive(config.seed, "head"))
        self.model.to(self.crew.device)
        self.optimizer = adam(self.model, config.adam_epsilon)
        self._read(read_snapshot(snapshot))
        self.steps_per_epoch = ceil(len(self.groups) / config.batch_size)
        self.total = config.epochs * self.steps_per_epoch

    def _read(self, data: Snapshot) -> None:
        config = self.config
        self.fingerprint = fingerprint("reward", config.identity(), data.sha256)
        encoder = Encoder(self.tokenizer, config.max_prompt_tokens, config.max_response_tokens)
        encoded = encoder.groups(_select(data.rankings, "train")[-config.max_rankings :])
        require(encoded, "ranking to learn from", "Collect some, or raise the limits.")
        self.groups = [group for group in encoded if _has_preference(group)]
        require(self.groups, "ranking that prefers anything", "Collect some without ties.")
        validation = {
            labelers: encoder.groups(_select(data.rankings, "validation", labelers))
            for labelers in (TRAINING_LABELERS, HELD_OUT_LABELERS)
        }
        self.validation = {who: groups for who, groups in validation.items() if groups}
        self.demonstrations = encoder.examples(
            [d for d in data.demonstrations if d.split == "train"][-config.max_rankings :]
        )
        self.notes: dict[str, Any] = {
            "prompts": len(self.groups),
            "prompts_all_tied": len(encoded) - len(self.groups),
            "validation_prompts": {who: len(g) for who, g in self.validation.items()},
            **encoder.counts,
        }

    def step(self, step: int) -> dict[str, float]:
        """One update on the next batch of prompts of this epoch's order."""
        epoch, index = divmod(step, self.steps_per_epoch)
        order = permutation(len(self.groups), self.config.seed, "epoch", epoch)
        batch = [self.groups[i] for i in cut(order, self.config.batch_size)[index]]
        rate = self.config.learning_rate * cosine_to_tenth(step, self.total)
        set_learning_rate(self.optimizer, rate)
        with self.clock.measure("train"):
            return {**self._update(batch), "lr": rate}

    def _update(self, batch: list[Group]) -> dict[str, float]:
        """Mean loss over the prompts of the batch, one optimizer step."""
        sums = torch.zeros(3, device=self.crew.device)
        for groups in self._micro_batches(self.crew.share(batch)):
            with self.crew.autocast():
                scores = group_scores(self.model, groups, self.pad_id)
            parts = [_group_loss(s, g) for s, g in zip(scores, groups, strict=True)]
            loss = torch.stack(parts).sum() / len(batch)
            loss.backward()
            sums[0] += loss.detach()
            sums[1:] += _agreement(scores, groups).to(sums)
        norm = update(self.optimizer, self.config.max_grad_norm, self.crew)
        loss_sum, correct, pairs = self.crew.total(sums).tolist()
        return {
            "reward/loss": loss_sum,
            "reward/accuracy": correct / max(pairs, 1),
            "reward/pairs": pairs,
            "grad_norm": norm,
        }

    def _micro_batches(self, groups: Sequence[Group]) -> list[list[Group]]:
        budget = self.config.tokens_per_micro_batch
        rows = batches_under_budget([group.length for group in groups], budget)
        return [[groups[i] for i in row] for row in rows]

    def measure(self) -> dict[str, float]:
        """Accuracy on validation prompts, by training and by held-out labelers apart."""
        metrics: dict[str, float] = {}
        for labelers, groups in self.validation.items():
            metrics |= validation_metrics(f"eval/{labelers}", groups, self._scores(groups))
        return metrics

    def center(self) -> dict[str, float]:
        """Move the scores so that demonstrations score 0 on average (section 3.5)."""
        if not self.demonstrations:
            self.notes["offset"] = "not set: the snapshot has no demonstration"
            return {}
        groups = [Group(d.prompt, [d.response], []) for d in self.demonstrations]
        scores = torch.cat(self._scores(groups))
        self.model.offset += scores.mean()
        return {
            "reward/offset": float(self.model.offset),
            "reward/demonstration_std": float(scores.std(unbiased=False)),
        }

    def _scores(self, groups: Sequence[Group]) -> list[Tensor]:
        """Scores of the completions of every group, in order, without gradient."""
        budget = self.config.tokens_per_micro_batch
        scores: dict[int, Tensor] = {}
        with torch.no_grad(), self.crew.autocast():
            for rows in batches_under_budget([group.length for group in groups], budget):
                part = group_scores(self.model, [groups[i] for i in rows], self.pad_id)
                scores |= dict(zip(rows, part, strict=True))
        return [scores[i].cpu() for i in range(len(groups))]

    def tensors(self) -> dict[str, Tensor]:
        """Weights and Adam's moments."""
        moments = optimizer_tensors("optimizer", self.optimizer)
        return module_tensors("model", self.model) | moments

    def values(self) -> dict[str, Any]:
        """Nothing: the offset is set after the last step."""
        return {}

    def restore(self, state: State) -> None:
        """Take up a saved state."""
        restore_module("model", self.model, state.tensors)
        restore_optimizer("optimizer", self.optimizer, state.tensors)


def validation_metrics(
    name: str, groups: Sequence[Group], scores: Sequence[Tensor]
) -> dict[str, float]:
    """Accuracy with its 95 % interval, calibration, and what preferring the longer would reach."""
    lists = [s.tolist() for s in scores]
    lengths = [[float(len(c)) for c in group.completions] for group in groups]
    accuracy = clustered_mean(_outcomes(groups, lists))
    longer = clustered_mean(_outcomes(groups, lengths))
    if accuracy is None or longer is None:
        return {}
    margins = [
        margin
        for group, values in zip(groups, lists, strict=True)
        for ranks in group.rankings
        for margin in pair_margins(values, ranks)
    ]
    return _interval(f"{name}/accuracy", accuracy) | {
        f"{name}/calibration_error": calibration_error(margins),
        f"{name}/longer_wins": longer.estimate,
        f"{name}/pairs": float(len(margins)),
    }


def _outcomes(groups: Sequence[Group], scores: Sequence[list[float]]) -> list[list[float]]:
    """Outcomes of all pairs, one list a prompt."""
    clusters: dict[tuple[int, ...], list[float]] = {}
    for group, values in zip(groups, scores, strict=True):
        outcomes = [o for ranks in group.rankings for o in pair_outcomes(values, ranks)]
        clusters.setdefault(tuple(group.prompt), []).extend(outcomes)
    return list(clusters.values())


def _interval(name: str, interval: Interval) -> dict[str, float]:
    return {
        name: interval.estimate,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }


def _select(
    rankings: Sequence[Ranking], split: str, labelers: str = TRAINING_LABELERS
) -> list[Ranking]:
    return [r for r in rankings if r.split == split and r.group == labelers]


def _has_preference(group: Group) -> bool:
    return any(len(set(ranks)) > 1 for ranks in group.rankings)


def _group_loss(scores: Tensor, group: Group) -> Tensor:
    """Mean of the ranking loss over the labelers who ranked these completions."""
    ranks = torch.tensor(group.rankings, device=scores.device)
    return torch.stack([ranking_loss(scores, one) for one in ranks]).mean()


def _agreement(scores: Sequence[Tensor], groups: Sequence[Group]) -> Tensor:
    """Pairs ordered as the labelers did, and all untied pairs."""
    lists = [s.detach().tolist() for s in scores]
    outcomes = [o for cluster in _outcomes(groups, lists) for o in cluster]
    return torch.tensor([sum(outcomes), float(len(outcomes))])
