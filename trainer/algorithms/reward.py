"""Reward modelling: a scalar learns to order completions as the labelers ranked them.

Read top to bottom: settings, the run, one step, how it is measured, the offset. Every metric is
explained in docs/reward.md. All pairs of a prompt are one batch element, and every completion
passes through the model once a step.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models_service.lm.chat import pad_token_id
from models_service.lm.checkpoint import load_policy, save_reward
from models_service.lm.cpu import accumulate
from models_service.lm.cpu.linears import direct_linears
from models_service.lm.heads import ScalarModel
from models_service.lm.padding import batches_under_budget
from trainer.algorithms import folds, loop
from trainer.algorithms.batches import cut
from trainer.algorithms.contract import Reporter, Result, Starts, TrainingError
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
from trainer.algorithms.diagnosis import calibration, means, outcomes, validation_metrics
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.losses import ranking_loss
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
from trainer.algorithms.seeds import derive, permutation
from trainer.algorithms.settings import RewardConfig
from trainer.algorithms.shared_prompts import choose_layout, group_opinions


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
    data = read_snapshot(snapshot)
    # Dealt before anything is trained, by the seed: a run that is taken up again has the same
    # folds.
    left_out = folds.deal(data.rankings, config.folds, config.seed) if config.folds else []
    job = RewardModelling(config, data, start)
    length, parts = job.total, 1 + len(left_out)
    # The run's own model is part 0 of as many as there are folds and one: its steps and theirs make
    # one progress bar.
    ended = job.run(work, folds.Part(report, 0, length, parts))
    if ended.stopped:
        return Result(ended.step, stopped=True)
    # Measured before it is centred, which changes no order and no difference of scores.
    metrics = job.measure() | job.center()
    notes, crew = job.notes | job.diagnose(), job.crew
    weights = crew.whole(job.model.state_dict())
    if crew.is_first:
        report.metrics(ended.step, length * parts, metrics)
        with writing(out):
            save_reward(job.model, job.tokenizer, out, weights)
    crew.wait()
    if config.folds and not left_out:
        notes["folds_left_out"] = "All training rankings are of one labeler."
    if left_out:
        run = job.fingerprint
        del job  # one model at a time

        def measure(number: int, labelers: frozenset[str], folder: Path) -> folds.Measured:
            part = folds.Part(report, number, length, parts)
            try:
                without = RewardModelling(config, data, start, labelers)
            except TrainingError:  # the others' rankings are ties alone: nothing to learn from
                return folds.Measured(0, {})
            return measure_fold(without, folder, part)

        notes["folds"] = folds.report(left_out, work, run, measure, crew)
        if notes["folds"] is None:
            return Result(ended.step, stopped=True)
    return Result(length * parts, metrics, notes=notes)


def measure_fold(job: RewardModelling, work: Path, report: Reporter) -> folds.Measured:
    """Train without a fold's labelers and see how well they, and the others, are predicted."""
    if job.run(work, report).stopped:
        return folds.Measured(len(job.groups), None)
    measured = {
        who: outcomes(groups, means(job.opinions(groups))) for who, groups in job.validation.items()
    }
    return folds.Measured(len(job.groups), measured)


class RewardModelling:
    """One run: the model, the groups and everything that a state has to hold.

    Of training labelers who are `left_out` it learns nothing, and is measured on them apart.
    """

    def __init__(
        self,
        config: RewardConfig,
        data: Snapshot,
        start: Starts,
        left_out: frozenset[str] = frozenset(),
    ) -> None:
        self.config, self.crew, self.clock, self.done = config, Crew(), loop.Clock(), False
        policy, self.tokenizer = load_policy(start.policy)
        self.pad_id = pad_token_id(self.tokenizer)
        # The head's seed is the same in every fold, so that folds differ by their labelers alone.
        self.model = ScalarModel.from_policy(policy, derive(config.seed, "head"), config.heads)
        longest = config.max_prompt_tokens + config.max_response_tokens
        # On whole weights, before they may be sharded: the probe's passes are one process's own.
        self.layout = choose_layout(self.model, longest, self.pad_id)
        self.crew.place(self.model)
        self.optimizer = adam(self.model, config.adam_epsilon)
        # Sorted: a set has another order in every process.
        inputs = (data.sha256, *sorted(left_out))
        self.fingerprint = fingerprint("reward", config.identity(), start, *inputs)
        self._read(data, left_out)
        self.steps_per_epoch = ceil(len(self.groups) / config.batch_size)
        self.total = config.epochs * self.steps_per_epoch

    def _read(self, data: Snapshot, left_out: frozenset[str]) -> None:
        config = self.config
        encoder = Encoder(self.tokenizer, config.max_prompt_tokens, config.max_response_tokens)
        usable = [r for r in data.rankings if r.labeler not in left_out]
        # The last are the newest, as a snapshot is written; of 0, which means all, [-0:] is the
        # whole list.
        training = _select(usable, "train")[-config.max_rankings :]
        encoded = encoder.groups(training)
        # Asked twice, since what to do differs: nothing fits, or nothing is preferred.
        require(encoded, "ranking to learn from", "Collect some, or raise the limits.")
        # By one labeler at least: two who contradict each other still teach, that it is even.
        self.groups = [one for one in encoded if any(len(set(r)) > 1 for r in one.rankings)]
        require(self.groups, "ranking that prefers anything", "Collect some without ties.")
        # By messages, not by id: a prompt may have come in twice, and this model has learned from
        # it whoever ranked it.
        known = {json.dumps(r.messages) for r in training}
        unseen = [r for r in data.rankings if json.dumps(r.messages) not in known]
        by = {
            "seen" if left_out else TRAINING_LABELERS: _select(usable, "validation"),
            # Of any split: what these labelers ranked, for training too, this model has not learned
            # from.
            "left_out": [r for r in unseen if r.labeler in left_out],
            HELD_OUT_LABELERS: _select(usable, "validation", HELD_OUT_LABELERS),
        }
        validation = {who: encoder.groups(rankings) for who, rankings in by.items()}
        self.validation = {who: groups for who, groups in validation.items() if groups}
        self.demonstrations = encoder.examples(
            [d for d in data.demonstrations if d.split == "train"][-config.max_rankings :]
        )
        self.weights = bootstrap(len(self.groups), config.heads, config.seed)
        self.notes: dict[str, Any] = {
            "prompts": len(self.groups),
            "layout": self.layout.name,
            "prompts_all_tied": len(encoded) - len(self.groups),
            "validation_prompts": {who: len(g) for who, g in self.validation.items()},
            **encoder.counts,
        }

    def run(self, work: Path, report: Reporter) -> loop.Ended:
        """Train from the newest state in `work`, or from the start."""
        states = States(work, self.fingerprint, self.config.keep_states)
        return loop.run(self, states, report, self.config.checkpoint_every, self.crew)

    def step(self, step: int) -> dict[str, float]:
        """One update on the next batch of prompts of this epoch's order."""
        epoch, index = divmod(step, self.steps_per_epoch)
        order = permutation(len(self.groups), self.config.seed, "epoch", epoch)
        batch = cut(order, self.config.batch_size)[index]
        rate = self.config.learning_rate * cosine_to_tenth(step, self.total)
        set_learning_rate(self.optimizer, rate)
        with self.clock.measure("train"), self.crew.repeatable():
            return {**self._update(batch), "lr": rate}

    def _update(self, batch: Sequence[int]) -> dict[str, float]:
        """Mean loss over the prompts of the batch, one optimizer step."""
        sums = torch.zeros(3, device=self.crew.device)
        micro_batches = self._micro_batches(self.crew.share(batch))
        with accumulate.in_place(self.model):
            for rows, weight in self.crew.in_step(micro_batches, list(batch[:1])):
                # Prompts of the whole batch, not of the part: the batch's loss is the mean over its
                # prompts, however they are cut.
                sums += self._backward(rows, weight, len(batch))
        norm = update(self.optimizer, self.config.max_grad_norm, self.crew)
        loss_sum, correct, pairs = self.crew.total(sums).tolist()
        return {
            "reward/loss": loss_sum,
            "reward/accuracy": correct / max(pairs, 1),
            "reward/pairs": pairs,
            "grad_norm": norm,
        }

    def _backward(self, rows: list[int], weight: float, prompts: int) -> Tensor:
        """Add the gradient of some prompts' part of the mean loss; that part, how many pairs the
        scores order as the labelers did, and how many there are, [3]."""
        groups, weights = [self.groups[i] for i in rows], self.weights[rows]
        with self.crew.autocast():
            # K completions, one pass: all C(K,2) pairs come from K scores. Pair by pair every
            # completion would be computed K − 1 times, and pairs of one prompt in different batches
            # made the paper's model overfit in a single pass over the data (section 3.5).
            opinions = group_opinions(self.model, groups, self.pad_id, self.layout)
        parts = [
            _group_loss(one, group, drawn)
            for one, group, drawn in zip(opinions, groups, weights, strict=True)
        ]
        loss = weight * torch.stack(parts).sum() / prompts
        loss.backward()
        # Weighted as well, so that a spare part is counted in nothing.
        return torch.cat([loss.detach()[None], weight * _agreement(opinions, groups).to(loss)])

    def _micro_batches(self, rows: Sequence[int]) -> list[list[int]]:
        lengths = [self.layout.length(self.groups[i]) for i in rows]
        batches = batches_under_budget(lengths, self.config.tokens_per_micro_batch)
        return [[rows[i] for i in batch] for batch in batches]

    def measure(self) -> dict[str, float]:
        """Accuracy on validation prompts, by training and by held-out labelers apart."""
        metrics: dict[str, float] = {}
        for labelers, groups in self.validation.items():
            metrics |= validation_metrics(f"eval/{labelers}", groups, self.opinions(groups))
        return metrics

    def diagnose(self) -> dict[str, Any]:
        """How far its confidence can be believed, for a plot."""
        bins = {who: calibration(g, self.opinions(g)) for who, g in self.validation.items()}
        return {"calibration": bins}

    def center(self) -> dict[str, float]:
        """Move the scores so that demonstrations score 0 on average (section 3.5)."""
        # The ranking loss knows only differences: without demonstrations there is nothing that 0
        # could mean.
        if not self.demonstrations:
            self.notes["offset"] = "not set: the snapshot has no demonstration"
            return {}
        groups = [Group(d.prompt, [d.response], []) for d in self.demonstrations]
        scores = torch.cat(self.opinions(groups)).mean(-1)
        # Added to: these scores have the present offset taken off already.
        self.model.offset += scores.mean()
        return {
            "reward/offset": float(self.model.offset),
            "reward/demonstration_std": float(scores.std(unbiased=False)),
        }

    def opinions(self, groups: Sequence[Group]) -> list[Tensor]:
        """What each head says of the completions of every group, in order, without gradient."""
        budget = self.config.tokens_per_micro_batch
        said: dict[int, Tensor] = {}
        with (
            # no_grad and not inference_mode: sharded weights are put together inside, and trained
            # with afterwards.
            torch.no_grad(),
            self.crew.autocast(),
            self.crew.gathered(self.model),
            direct_linears(self.model),
        ):
            for rows in batches_under_budget([self.layout.length(one) for one in groups], budget):
                part = [groups[i] for i in rows]
                opinions = group_opinions(self.model, part, self.pad_id, self.layout)
                said |= dict(zip(rows, opinions, strict=True))
        return [said[i].cpu() for i in range(len(groups))]

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


def bootstrap(prompts: int, heads: int, seed: int) -> Tensor:
    """How often each head of an ensemble sees each prompt, float32 [prompts, heads].

    Poisson of mean 1, as in drawing the prompts with replacement for every head; a single head
    sees each once. (Oza and Russell 2001; on one trunk as in Osband et al. 2016.)
    """
    if heads == 1:
        return torch.ones(prompts, 1)
    # Once for the run and not for each epoch: a head's bootstrap is the data set that it learns
    # from.
    generator = torch.Generator().manual_seed(derive(seed, "bootstrap"))
    return torch.poisson(torch.ones(prompts, heads), generator)


def _select(
    rankings: Sequence[Ranking], split: str, labelers: str = TRAINING_LABELERS
) -> list[Ranking]:
    return [r for r in rankings if r.split == split and r.group == labelers]


def _group_loss(opinions: Tensor, group: Group, weights: Tensor) -> Tensor:
    """Mean of the ranking loss over the labelers who ranked these completions, and over heads.

    `opinions` [K, heads], `weights` [heads].
    """
    ranks = torch.tensor(group.rankings, device=opinions.device)
    losses = [
        weight * ranking_loss(scores, one)
        for scores, weight in zip(opinions.T, weights.tolist(), strict=True)
        # A head that has not drawn this prompt has no gradient from it; the loss's divisor counts
        # it all the same, so that a prompt weighs alike in every batch.
        if weight
        for one in ranks
    ]
    # 0 · opinions and not 0: backward, and under FSDP the meeting of all processes, needs a graph.
    return torch.stack(losses).sum() / (len(ranks) * len(weights)) if losses else 0 * opinions.sum()


def _agreement(opinions: Sequence[Tensor], groups: Sequence[Group]) -> Tensor:
    """Pairs ordered as the labelers did, and all untied pairs."""
    clusters = outcomes(groups, means([one.detach() for one in opinions]))
    judged = [outcome for cluster in clusters.values() for outcome in cluster]
    return torch.tensor([sum(judged), float(len(judged))])
