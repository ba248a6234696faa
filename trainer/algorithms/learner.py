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
        # Starts as the policy does: without the bias towards zero that an average from zeros has.
        self.average = WeightAverage(self.policy, config.ema_decay)
        # Two optimizers, since the two models share no weights, have learning rates of their own,
        # and one's gradient norm must not scale the other's down. The value loss so needs no
        # coefficient beside the policy's.
        self.optimizer = adam(self.policy, config.adam_epsilon)
        self.value_optimizer = adam(self.value, config.adam_epsilon)

    def learn(self, experience: Experience, step: int) -> dict[str, float]:
        """Update policy and value on every minibatch; the mean of what the updates measured."""
        config = self.config
        # Constant within an iteration: the paper counts its warm-up in iterations (appendix C.4).
        factor = linear_warmup(step, config.warmup_iterations)
        set_learning_rate(self.optimizer, config.learning_rate * factor)
        set_learning_rate(self.value_optimizer, config.value_learning_rate * factor)
        measured: Counter[str] = Counter()
        updates = 0
        for epoch in range(config.inner_epochs):
            # By step and epoch, so that a run that is taken up again cuts the same minibatches, and
            # a second pass over a batch other ones than the first.
            order = permutation(config.batch_size, config.seed, "minibatches", step, epoch)
            # Counted from the run's start, over epochs too: the pretraining text is read on where
            # it was, and no block twice before each has been read once.
            position = (step * config.inner_epochs + epoch) * config.batch_size
            for rows in cut(order, config.minibatch_size):
                # The two have no part in common, so either could be first: values and advantages
                # were fixed when the batch was judged.
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
        # Of the whole minibatch, in every process: the parts' losses, wherever they are computed,
        # then add up to the minibatch's mean. Counted a part at a time, short answers would weigh
        # more the shorter those beside them are.
        tokens = int(experience.mask[list(rows)].sum())
        # Added up on the device and read once after the step: float() of each part would make a GPU
        # wait for it.
        sums = torch.zeros(4, device=self.crew.device)
        parts = self._micro_batches(experience.episodes, rows)
        # Around both losses: PPO-ptx is two backward passes into one gradient (appendix C.4:
        # "compute the PPO gradients and pretraining gradients in consecutive steps and accumulate
        # them both into the gradient buffers"). Their norm is clipped together, after both are in.
        with accumulate.in_place(self.policy):
            # The spare is any episode at all: it is computed with weight 0, where a process has
            # fewer parts than another.
            for part, weight in self.crew.in_step(parts, list(rows[:1])):
                sums[:3] += self._policy_backward(experience, part, tokens, weight)
            if self.blocks:
                sums[3] = self._ptx_backward(position, len(rows))
        norm = update(self.optimizer, self.config.max_grad_norm, self.crew)
        # After each optimizer step, not each iteration: 0.992 looks back about 125 updates of the
        # paper's 4,000 (500 iterations of 8 minibatches).
        self.average.update(self.policy)
        # Each process has summed its own parts; of sums the total is right however unlike the
        # shares are.
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
            # At the temperature of sampling: the policy that is optimised is the one that was
            # sampled from. Evaluation mode, no dropout: at an iteration's first minibatch every
            # ratio is 1.
            now = response_logprobs(self.policy, prompts, responses, self.config.temperature)
        # This part's longest response is shorter than the batch's, as a rule; columns beyond it are
        # padding.
        width, clip = now.mask.shape[1], self.config.clip
        old, advantages = e.logprobs[rows, :width], e.advantages[rows, :width]
        # Outside of autocast, in float32: a ratio is the exponential of a small difference.
        loss = losses.policy_loss(now.logprobs, old, advantages, now.mask, clip, tokens)
        (weight * loss).backward()
        statistics = losses.policy_statistics(now.logprobs.detach(), old, now.mask, clip)
        return weight * torch.stack([loss.detach(), *statistics])

    def _ptx_backward(self, position: int, episodes: int) -> Tensor:
        """Add γ_ptx times the gradient of the mean loss a token of pretraining text; that mean."""
        config, each = self.config, self.config.ptx_examples_per_episode
        count = episodes * each
        # Eight blocks an episode by default (appendix C.4: "8 times more pretraining examples than
        # the number of the RL training episodes").
        chosen = stream(len(self.blocks), position * each, count, config.seed, "text")
        tokens = sum(len(self.blocks[i].response) for i in chosen)
        total = torch.zeros((), device=self.crew.device)
        # All blocks are of one length: nothing is padded, and no cut is leaner than another.
        rows = max(1, config.tokens_per_micro_batch // config.ptx_tokens)
        for part, weight in self.crew.in_step(cut(self.crew.share(chosen), rows), chosen[:1]):
            loss = weight * self.text_loss([self.blocks[i] for i in part], tokens)
            # The coefficient scales a mean a token; the paper does not say whether its 27.8 scales
            # a sum or a mean (docs/ppo.md).
            (config.ptx_coefficient * loss).backward()
            total += loss.detach()
        return total

    def text_loss(self, blocks: Sequence[Example], tokens: int) -> Tensor:
        """Loss of pretraining text, summed and divided by `tokens`, with gradient if enabled."""
        prompts, responses = [b.prompt for b in blocks], [b.response for b in blocks]
        with self.crew.autocast():
            # Temperature 1, unlike the responses: the text was not sampled from this policy.
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
        # Returns were made from the values before any update, and stay: moving with the value model
        # they would be a target that runs away from it.
        loss = weight * losses.value_loss(values, old, returns, mask, clip, tokens)
        loss.backward()
        return loss.detach()

    def _micro_batches(self, episodes: Episodes, rows: Sequence[int]) -> list[list[int]]:
        """This process's share of some rows, in groups of like length."""
        # Shared out first, then cut: the shares are the same for policy and value model, and for
        # any budget.
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
        # Into the modules that are there: optimizers hold their parameters as objects, and would go
        # on updating others that had been put in their place.
        restore_module("policy", self.policy, tensors)
        restore_module("value", self.value, tensors)
        restore_optimizer("optimizer", self.optimizer, tensors)
        restore_optimizer("value_optimizer", self.value_optimizer, tensors)
        self.average.load({name: tensors[f"average/{name}"] for name in self.average.weights})
