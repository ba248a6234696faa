"""Direct preference optimisation: the policy learns from the rankings themselves, without a reward
model and without sampling (Rafailov et al. 2023).

Read top to bottom: the run, one step, how it is measured. Every metric and choice is explained in
docs/dpo.md. All pairs of a prompt are one batch element, as in reward modelling, and every
completion passes through the policy once a step; through the reference it passes once a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models_service.lm.checkpoint import load_policy, save_policy
from models_service.lm.cpu import accumulate
from models_service.lm.padding import batches_under_budget
from models_service.lm.scoring import response_logprobs
from trainer.algorithms import loop, losses
from trainer.algorithms.batches import cut
from trainer.algorithms.contract import Reporter, Result, Starts
from trainer.algorithms.data import (
    HELD_OUT_LABELERS,
    TRAINING_LABELERS,
    Encoder,
    Group,
    Snapshot,
    read_snapshot,
    require,
)
from trainer.algorithms.diagnosis import validation_metrics
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.dpo_config import DPOConfig
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
from trainer.algorithms.seeds import permutation

__all__ = ["DPOConfig", "train"]

# Of one prompt, given log π − log π_ref [K], ranks [K] and β.
LOSSES: Mapping[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "sigmoid": losses.dpo_loss,
    "ipo": losses.ipo_loss,
    "plackett_luce": losses.plackett_luce_loss,
}


def train(
    config: DPOConfig,
    *,
    snapshot: Path,
    start: Starts,
    out: Path,
    work: Path,
    report: Reporter,
) -> Result:
    """Train `start.policy` on the snapshot's rankings, with itself as the reference, and write it
    to `out`.

    Called again with the same `work` it goes on where it was, to the same weights. Raises
    TrainingError and CheckpointError.
    """
    job = PreferenceOptimisation(config, read_snapshot(snapshot), start)
    states = States(work, job.fingerprint, config.keep_states)
    ended = loop.run(job, states, report, config.checkpoint_every, job.crew)
    if ended.stopped:
        return Result(ended.step, stopped=True)
    metrics, crew = job.measure(), job.crew
    weights = crew.whole(job.policy.state_dict())
    if crew.is_first:
        report.metrics(ended.step, job.total, metrics)
        with writing(out):
            save_policy(job.policy, job.tokenizer, out, weights)
    crew.wait()
    return Result(ended.step, metrics, notes=job.notes)


class PreferenceOptimisation:
    """One run: the policy, the groups and everything that a state has to hold."""

    def __init__(self, config: DPOConfig, data: Snapshot, start: Starts) -> None:
        self.config, self.crew, self.clock, self.done = config, Crew(), loop.Clock(), False
        self.policy, self.tokenizer = load_policy(start.policy)
        self.crew.place(self.policy)
        # Dropout off, as in PPO: of what is dropped the ratio to the reference would know nothing.
        self.policy.eval()
        self.optimizer = adam(self.policy, config.adam_epsilon)
        self.fingerprint = fingerprint("dpo", config.identity(), start, data.sha256)
        self._read(data)
        self.steps_per_epoch = ceil(len(self.groups) / config.batch_size)
        self.total = config.epochs * self.steps_per_epoch
        # What the reference says of each completion, [K] a group: those that are learned from,
        # then the validation's. A number each instead of a second model in memory: the reference
        # never changes, and before the first step it is the policy.
        self.reference: list[Tensor] = []

    def _read(self, data: Snapshot) -> None:
        config = self.config
        encoder = Encoder(self.tokenizer, config.max_prompt_tokens, config.max_response_tokens)

        def encoded(split: str, labelers: str) -> list[Group]:
            chosen = [r for r in data.rankings if (r.split, r.group) == (split, labelers)]
            # The newest; [-0:] is all. The limit is for what is learned from alone.
            return encoder.groups(chosen[-config.max_rankings :] if split == "train" else chosen)

        training = encoded("train", TRAINING_LABELERS)
        # Asked twice, since what to do differs: nothing fits, or nothing is preferred.
        require(training, "ranking to learn from", "Collect some, or raise the limits.")
        self.groups = [one for one in training if any(len(set(r)) > 1 for r in one.rankings)]
        require(self.groups, "ranking that prefers anything", "Collect some without ties.")
        self.validation = {
            labelers: encoded("validation", labelers)
            for labelers in (TRAINING_LABELERS, HELD_OUT_LABELERS)
        }
        self.notes: dict[str, Any] = {
            "prompts": len(self.groups),
            "prompts_all_tied": len(training) - len(self.groups),
            "validation_prompts": {who: len(groups) for who, groups in self.validation.items()},
            **encoder.counts,
        }

    @property
    def _all(self) -> list[Group]:
        """Every group that the reference is asked about, in the order of `reference`."""
        return [*self.groups, *(g for groups in self.validation.values() for g in groups)]

    def step(self, step: int) -> dict[str, float]:
        """One update on the next batch of prompts of this epoch's order."""
        if not self.reference:
            with self.clock.measure("reference"):
                self.reference = self.logprobs(self._all)
        epoch, index = divmod(step, self.steps_per_epoch)
        order = permutation(len(self.groups), self.config.seed, "epoch", epoch)
        batch = cut(order, self.config.batch_size)[index]
        rate = self.config.learning_rate * cosine_to_tenth(step, self.total)
        set_learning_rate(self.optimizer, rate)
        with self.clock.measure("train"), self.crew.repeatable():
            return {**self._update(batch), "lr": rate}

    def _update(self, batch: Sequence[int]) -> dict[str, float]:
        """Mean loss over the prompts of the batch, one optimizer step."""
        sums = torch.zeros(6, device=self.crew.device)
        micro_batches = self._micro_batches(self.crew.share(batch))
        with accumulate.in_place(self.policy):
            for rows, weight in self.crew.in_step(micro_batches, list(batch[:1])):
                # Prompts of the whole batch, not of the part, as in reward modelling.
                sums += self._backward(rows, weight, len(batch))
        norm = update(self.optimizer, self.config.max_grad_norm, self.crew)
        loss, drift, correct, pairs, chosen, rejected = self.crew.total(sums).tolist()
        pairs = max(pairs, 1)
        return {
            "dpo/loss": loss,
            "dpo/accuracy": correct / pairs,
            "dpo/pairs": pairs,
            "dpo/rewards_chosen": chosen / pairs,
            "dpo/rewards_rejected": rejected / pairs,
            "dpo/margin": (chosen - rejected) / pairs,
            "dpo/log_ratio": drift,
            "grad_norm": norm,
        }

    def _backward(self, rows: list[int], weight: float, prompts: int) -> Tensor:
        """Add the gradient of some prompts' part of the mean loss; that part, their part of the
        mean log-ratio of a completion, and the sums of `pair_sums`, [6]."""
        groups = [self.groups[i] for i in rows]
        with self.crew.autocast():
            said = policy_logprobs(self.policy, groups)
        ratios = [
            logprobs - self.reference[i].to(logprobs)
            for i, logprobs in zip(rows, said, strict=True)
        ]
        parts = [self._group_loss(h, group) for h, group in zip(ratios, groups, strict=True)]
        loss = weight * torch.stack(parts).sum() / prompts
        loss.backward()
        apart = [h.detach() for h in ratios]
        drift = torch.stack([h.mean() for h in apart]).sum() / prompts
        told = torch.stack(
            [pair_sums(self.config.beta * h, g) for h, g in zip(apart, groups, strict=True)]
        )
        return torch.cat([loss.detach()[None], weight * drift[None], weight * told.sum(0)])

    def _group_loss(self, log_ratios: Tensor, group: Group) -> Tensor:
        """Mean over the labelers who ranked these completions: where they disagree they pull both
        ways, as they should."""
        ranks = torch.tensor(group.rankings, device=log_ratios.device)
        loss, beta = LOSSES[self.config.loss], self.config.beta
        return torch.stack([loss(log_ratios, one, beta) for one in ranks]).mean()

    def _micro_batches(self, rows: Sequence[int]) -> list[list[int]]:
        lengths = [_length(self.groups[i]) for i in rows]
        batches = batches_under_budget(lengths, self.config.tokens_per_micro_batch)
        return [[rows[i] for i in batch] for batch in batches]

    def logprobs(self, groups: Sequence[Group]) -> list[Tensor]:
        """What the policy, as it is, says of the completions of every group, [K] each in order."""
        budget = self.config.tokens_per_micro_batch
        mine = self.crew.share(list(groups))
        said: dict[int, Tensor] = {}
        # Each process asks its own share, which with sharded weights takes whole ones.
        with torch.no_grad(), self.crew.autocast(), self.crew.gathered(self.policy):
            for rows in batches_under_budget([_length(one) for one in mine], budget):
                found = policy_logprobs(self.policy, [mine[i] for i in rows])
                said |= {i: one.cpu() for i, one in zip(rows, found, strict=True)}
        return self.crew.gather([said[i] for i in range(len(mine))])

    def measure(self) -> dict[str, float]:
        """Accuracy of the implicit rewards on validation prompts, by training and by held-out
        labelers apart."""
        now = self.logprobs(self._all[len(self.groups) :])
        pairs = zip(now, self.reference[len(self.groups) :], strict=True)
        rewards = iter([self.config.beta * (ours - reference) for ours, reference in pairs])
        metrics: dict[str, float] = {}
        for labelers, groups in self.validation.items():
            opinions = [next(rewards)[:, None] for _ in groups]
            if groups:
                metrics |= validation_metrics(f"eval/{labelers}", groups, opinions)
        return metrics

    def tensors(self) -> dict[str, Tensor]:
        """Weights, Adam's moments and what the reference said, which the weights no longer tell."""
        moments = optimizer_tensors("optimizer", self.optimizer)
        # Whether or not a GPU's, as one tensor on the CPU.
        return {
            **module_tensors("policy", self.policy),
            **moments,
            "reference": torch.cat(self.reference),
        }

    def values(self) -> dict[str, Any]:
        """Nothing: the order and the rate follow from the step."""
        return {}

    def restore(self, state: State) -> None:
        """Take up a saved state."""
        restore_module("policy", self.policy, state.tensors)
        restore_optimizer("optimizer", self.optimizer, state.tensors)
        sizes = [len(group.completions) for group in self._all]
        self.reference = list(state.tensors["reference"].split(sizes))


def policy_logprobs(policy: Any, groups: Sequence[Group]) -> list[Tensor]:
    """Log-probability of each completion of every group, summed over its tokens, float32 [K] nats
    each, with gradient if enabled; the stop token counts where the completion ended by itself."""
    rows = [(group.prompt, completion) for group in groups for completion in group.completions]
    scored = response_logprobs(policy, [p for p, _ in rows], [c for _, c in rows])
    # Sums and not means a token: π(y|x) is the product over the response.
    return list(scored.logprobs.sum(1).split([len(group.completions) for group in groups]))


def pair_sums(rewards: Tensor, group: Group) -> Tensor:
    """Over the untied pairs of all who ranked the group: how many its implicit rewards [K] order as
    the labelers did (equal ones count half), how many there are, and the sums of the better's and
    of the worse's rewards, [4]."""
    ranks = torch.tensor(group.rankings, device=rewards.device)
    better = (ranks.unsqueeze(2) < ranks.unsqueeze(1)).sum(0).to(rewards)
    ahead = rewards.unsqueeze(1) - rewards.unsqueeze(0)
    right = (ahead.sign() + 1) / 2
    chosen, rejected = rewards.unsqueeze(1), rewards.unsqueeze(0)
    return torch.stack(
        [(better * x).sum() for x in (right, torch.ones_like(right), chosen, rejected)]
    )


def _length(group: Group) -> int:
    """Tokens of a group, whose every completion has a row of its own."""
    return len(group.completions) * len(group.prompt) + sum(map(len, group.completions))
