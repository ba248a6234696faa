"""The half of a PPO iteration that learns: minibatches, two gradients into one buffer, one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models_service.lm.cpu import accumulate
from models_service.lm.padding import lean_batches
from models_service.lm.scoring import response_logprobs
from trainer.algorithms import losses
from trainer.algorithms.batches import cut
from trainer.algorithms.data import Example
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes
from trainer.algorithms.optimize import adam, update
from trainer.algorithms.resume import (
    module_tensors,
    optimizer_tensors,
    restore_module,
    restore_optimizer,
)
from trainer.algorithms.rollouts import Experience
from trainer.algorithms.schedules import WeightAverage, linear_warmup, set_learning_rate
from trainer.algorithms.seeds import permutation, stream
from trainer.algorithms.settings import PPOConfig
from trainer.algorithms.trunks import Trunks


class Learner:
    """Policy and value model, their optimizers, the averaged weights, the text that is mixed in."""

    def __init__(
        self,
        config: PPOConfig,
        trunks: Trunks,
        blocks: Sequence[Example],
        crew: Crew,
    ) -> None:
        self.config, self.trunks = config, trunks
        self.policy, self.value = trunks.policy, trunks.value
        self.blocks, self.crew = blocks, crew
        self.average = WeightAverage(self.policy, config.ema_decay)
        self.optimizer = adam(self.policy, config.adam_epsilon)
        self.value_optimizer = adam(self.value, config.adam_epsilon)

    def learn(self, experience: Experience, step: int) -> dict[str, float]:
        """Update policy and value on every minibatch; the mean of what the updates measured."""
        config = self.config
        factor = linear_warmup(step, config.warmup_iterations)
        set_learning_rate(self.optimizer, config.learning_rate * factor)
        set_learning_rate(self.value_optimizer, config.value_learning_rate * factor)
        measured: Counter[str] = Counter()
        updates = 0
        for epoch in range(config.inner_epochs):
            order = permutation(config.batch_size, config.seed, "minibatches", step, epoch)
            position = (step * config.inner_epochs + epoch) * config.batch_size
            for rows in cut(order, config.minibatch_size):
                measured.update(self.update_policy(experience, rows, position))
                measured.update(self.update_value(experience, rows))
                position += len(rows)
                updates += 1
        means = {name: total / updates for name, total in measured.items()}
        return means | {"lr": config.learning_rate * factor}

    def update_policy(
        self, experience: Experience, rows: Sequence[int], position: int
    ) -> dict[str, float]:
        """PPO's and the pretraining gradient into one buffer, then one step and the average's.

        `position` is how many episodes the run has learned from before: the text's place.
        """
        tokens = int(experience.mask[list(rows)].sum())
        sums = torch.zeros(4, device=self.crew.device)
        parts = self._micro_batches(experience.episodes, rows)
        with accumulate.in_place(self.policy):
            for part, weight in self.crew.in_step(parts, list(rows[:1])):
                sums[:3] += self._policy_backward(experience, part, tokens, weight)
            if self.blocks:
                sums[3] = self._ptx_backward(position, len(rows))
        norm = update(self.optimizer, self.config.max_grad_norm, self.crew)
        self.average.update(self.policy)
        loss, clipped, approxkl, ptx = self.crew.total(sums).tolist()
        metrics = {
            "ppo/loss/policy": loss,
            "ppo/policy/clipfrac": clipped / tokens,
            "ppo/policy/approxkl": approxkl / tokens,
            "ppo/policy/grad_norm": norm,
        }
        return metrics | ({"ppo/loss/ptx": ptx} if self.blocks else {})

    def _policy_backward(
        self, e: Experience, rows: list[int], tokens: int, weight: float
    ) -> Tensor:
        """Add the gradient of the clipped loss; its value and the sums of its statistics, [3]."""
        prompts, responses = e.episodes.tokens(rows)
        with self.crew.autocast():
            now = response_logprobs(self.policy, prompts, responses, self.config.temperature)
        width, clip = now.mask.shape[1], self.config.clip
        old, advantages = e.logprobs[rows, :width], e.advantages[rows, :width]
        loss = losses.policy_loss(now.logprobs, old, advantages, now.mask, clip, tokens)
        (weight * loss).backward()
        statistics = losses.policy_statistics(now.logprobs.detach(), old, now.mask, clip)
        return weight * torch.stack([loss.detach(), *statistics])

    def _ptx_backward(self, position: int, episodes: int) -> Tensor:
        """Add γ_ptx times the gradient of the mean loss a token of pretraining text; that mean."""
        config, each = self.config, self.config.ptx_examples_per_episode
        count = episodes * each
        chosen = stream(len(self.blocks), position * each, count, config.seed, "text")
        tokens = sum(len(self.blocks[i].response) for i in chosen)
        total = torch.zeros((), device=self.crew.device)
        rows = max(1, config.tokens_per_micro_batch // config.ptx_tokens)
        for part, weight in self.crew.in_step(cut(self.crew.share(chosen), rows), chosen[:1]):
            loss = weight * self.text_loss([self.blocks[i] for i in part], tokens)
            (config.ptx_coefficient * loss).backward()
            total += loss.detach()
        return total

    def text_loss(self, blocks: Sequence[Example], tokens: int) -> Tensor:
        """Loss of pretraining text, summed and divided by `tokens`, with gradient if enabled."""
        prompts, responses = [b.prompt for b in blocks], [b.response for b in blocks]
        with self.crew.autocast():
            scored = response_logprobs(self.policy, prompts, responses)
        return losses.cross_entropy(scored.logprobs, scored.mask, tokens)

    def update_value(self, e: Experience, rows: Sequence[int]) -> dict[str, float]:
        """One step of the value model towards the returns."""
        tokens = int(e.mask[list(rows)].sum())
        total = torch.zeros((), device=self.crew.device)
        parts = self._micro_batches(e.episodes, rows)
        with accumulate.in_place(self.value):
            for part, weight in self.crew.in_step(parts, list(rows[:1])):
                total += self._value_backward(e, part, tokens, weight)
        norm = update(self.value_optimizer, self.config.max_grad_norm, self.crew)
        return {"ppo/loss/value": float(self.crew.total(total)), "ppo/val/grad_norm": norm}

    def _value_backward(self, e: Experience, rows: list[int], tokens: int, weight: float) -> Tensor:
        """Add the gradient of the clipped squared error; its value."""
        with self.crew.autocast():
            values = self.trunks.values(e, rows)
        width = values.shape[1]
        old, returns, mask = (x[rows, :width] for x in (e.values, e.returns, e.mask))
        clip = self.config.value_clip
        loss = weight * losses.value_loss(values, old, returns, mask, clip, tokens)
        loss.backward()
        return loss.detach()

    def _micro_batches(self, episodes: Episodes, rows: Sequence[int]) -> list[list[int]]:
        """This process's share of some rows, in groups of like length."""
        mine, lengths = self.crew.share(rows), episodes.lengths()
        budget = self.config.tokens_per_micro_batch
        groups = lean_batches([lengths[i] for i in mine], budget, self.crew.device)
        return [[mine[i] for i in group] for group in groups]

    def tensors(self) -> dict[str, Tensor]:
        """What is trained of both models, both optimizers, the averaged weights."""
        return {
            **module_tensors("policy", self.policy),
            **module_tensors("value", self.value),
            **optimizer_tensors("optimizer", self.optimizer),
            **optimizer_tensors("value_optimizer", self.value_optimizer),
            **{f"average/{name}": weight for name, weight in self.average.weights.items()},
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        restore_module("policy", self.policy, tensors)
        restore_module("value", self.value, tensors)
        restore_optimizer("optimizer", self.optimizer, tensors)
        restore_optimizer("value_optimizer", self.value_optimizer, tensors)
        self.average.load({name: tensors[f"average/{name}"] for name in self.average.weights})
