"""What PPO and RLOO have in common: the policy learns from responses that it samples itself.

Read top to bottom: the run, one iteration (sample, judge, learn), evaluation, state. The settings
are in `settings`, the models in `trunks`, the updates in `learner`; how judgements become
advantages stands in `ppo` and `rloo`. Every metric and every choice that the paper leaves open is
explained in docs/ppo.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models_service.lm.chat import Message, pad_token_id, stop_token_ids
from models_service.lm.checkpoint import load_policy, load_reward
from models_service.lm.generation import Sampling
from trainer.algorithms import loop, losses
from trainer.algorithms.batches import PretrainingText
from trainer.algorithms.contract import Reporter, Result, Starts, TrainingError
from trainer.algorithms.data import (
    Encoder,
    Example,
    Prompt,
    read_snapshot,
    require,
    require_one_vocabulary,
)
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, sample_episodes, sample_rows
from trainer.algorithms.learner import PolicyLearner
from trainer.algorithms.optimize import trained
from trainer.algorithms.resume import State, States, fingerprint, writing
from trainer.algorithms.reward_parts import RewardParts
from trainer.algorithms.rollouts import (
    Batch,
    Experience,
    Judged,
    gather_episodes,
    gather_rows,
    make_batch,
)
from trainer.algorithms.schedules import adapt_beta
from trainer.algorithms.seeds import derive, stream
from trainer.algorithms.settings import OnPolicyConfig
from trainer.algorithms.trunks import TRUNKS


class OnPolicy(ABC):
    """One run: the models, the averaged weights, the data and everything a state has to hold."""

    name: str  # as its stage
    title: str
    critic: bool  # whether it has a value model
    learner: PolicyLearner

    def __init__(
        self,
        config: OnPolicyConfig,
        snapshot: Path,
        start: Starts,
        report: Reporter,
        pretraining_text: Path | None,
    ) -> None:
        self.config, self.report = config, report
        self.crew, self.clock = Crew(), loop.Clock()
        self.total, self.done = config.iterations, False
        self._load(start)
        self._read(snapshot, start, pretraining_text)
        self.beta = config.kl_coefficient
        self.baseline: dict[str, float] = {}
        # The best evaluation so far and the average it was of, where that is what is exported.
        self.best: dict[str, Any] = {}
        self.best_weights: dict[str, Tensor] = {}

    def _load(self, start: Starts) -> None:
        if start.reward is None:
            raise TrainingError(f"{self.title} needs a reward model. Train one on rankings first.")
        policy, self.tokenizer = load_policy(start.policy)
        reward, reward_tokenizer = load_reward(start.reward)
        require_one_vocabulary({"policy": self.tokenizer, "reward model": reward_tokenizer})
        self.stop_ids, self.pad_id = stop_token_ids(self.tokenizer), pad_token_id(self.tokenizer)
        kind = TRUNKS[self.config.trunk]
        self.trunks = kind(self.config, policy, reward, self.pad_id, self.crew, self.critic)

    def _read(self, path: Path, start: Starts, pretraining_text: Path | None) -> None:
        config, data = self.config, read_snapshot(path)
        encoder = Encoder(self.tokenizer, config.max_prompt_tokens, config.max_response_tokens)
        self.prompts = encoder.prompts(p for p in data.prompts if p.split == "train")
        require(self.prompts, "training prompt to sample from", "Import some, or raise the limit.")
        validation = [p for p in data.prompts if p.split == "validation"]
        # The first ones in the snapshot's order, the same in every evaluation, so that their curve
        # moves by the policy alone.
        self.validation = encoder.prompts(validation)[: config.eval_prompts]
        self.parts = RewardParts(config, self.tokenizer, self._messages(data.prompts), self.crew)
        self.blocks: list[Example] = []
        self.held_out: list[Example] = []
        self.notes: dict[str, Any] = {"prompts": len(self.prompts), **encoder.counts}
        inputs = [data.sha256]
        # Without it the text is not even read: a plain run needs none, and its hash would name the
        # run.
        if config.ptx_coefficient:
            text = PretrainingText(self.tokenizer, pretraining_text, config.ptx_tokens)
            self.blocks, self.held_out = text.blocks, text.held_out
            self.notes |= text.notes
            inputs.append(text.sha256)
        self.fingerprint = fingerprint(self.name, config.identity(), start, *inputs)

    def _messages(self, prompts: Sequence[Prompt]) -> dict[tuple[int, ...], list[Message]]:
        """What functions read of a prompt, by its tokens, which are what episodes know it by."""
        if not self.config.reward_functions:
            return {}
        limits = self.config.max_prompt_tokens, self.config.max_response_tokens
        encoder = Encoder(self.tokenizer, *limits)  # another one, whose counts nobody reads
        encoded = ((encoder.prompt(p.messages), p.messages) for p in prompts)
        return {tuple(tokens): messages for tokens, messages in encoded if tokens is not None}

    def run(self, out: Path, work: Path) -> Result:
        """Train and write the averaged weights to `out`.

        Called again with the same `work` it goes on where it was, to the same weights. Raises
        TrainingError and CheckpointError.
        """
        config, report = self.config, self.report
        states = States(work, self.fingerprint, config.keep_states)
        ended = loop.run(self, states, report, config.checkpoint_every, self.crew)
        if ended.stopped:
            return Result(ended.step, stopped=True)
        metrics = self.evaluate(ended.step)
        if self.crew.is_first:
            report.metrics(ended.step, self.total, metrics)
        if self.best:
            metrics = self.best["metrics"]
            self.notes["best_step"] = self.best["step"]
            self.learner.average.load(self.best_weights)
        # The average is what was evaluated, and so what is exported; the policy itself is in the
        # state alone.
        with writing(out), self.learner.average.applied(self.trunks.policy):
            self.trunks.export(self.tokenizer, out)
        self.crew.wait()
        return Result(ended.step, metrics | self.baseline, notes=self.notes)

    @property
    def each(self) -> int:
        """Responses sampled to a prompt."""
        return 1

    @abstractmethod
    def experience(self, episodes: Episodes, judged: Sequence[Judged]) -> Experience:
        """What is learned from a batch: rewards, and advantages over the whole of it."""

    def step(self, step: int) -> dict[str, float]:
        """One iteration: sample a batch, judge it, learn from it."""
        if step == 0:
            # Within step 0 and not before the loop: a run that is taken up later has it in its
            # state, and does not measure it again.
            self._measure_baseline()
        experience = self._collect(step)
        metrics = self._describe(experience)
        kl = metrics["objective/kl"]
        # Before learning from the batch: what is exported is the average up to the last batch
        # within the limit.
        if 0 < self.config.kl_limit < kl:
            self.done = True
            self.notes["stopped_early"] = f"KL {kl:.2f} passed {self.config.kl_limit} at {step}"
            return metrics
        # Learning alone: sampling adds probabilities up by cumsum, of which torch has no
        # deterministic form on a GPU and which it would refuse inside.
        with self.clock.measure("train"), self.crew.repeatable():
            metrics |= self.learner.learn(experience, step)
        # After learning: this batch's rewards were made with the β that is reported with it.
        if self.config.adaptive_kl:
            horizon, episodes = self.config.kl_horizon, self.config.batch_size
            self.beta = adapt_beta(self.beta, kl, self.config.kl_target, episodes, horizon)
        # Not after the last step, which `train` evaluates when the loop is over.
        if (step + 1) % self.config.evaluate_every == 0 and step + 1 < self.total:
            metrics |= self.evaluate(step + 1)
        return metrics

    def _collect(self, step: int) -> Experience:
        """Sample responses to each of the iteration's prompts and judge them."""
        config, each = self.config, self.each
        # One reading of all prompts that goes on from batch to batch: each comes once before any
        # comes twice.
        count = config.batch_size // each
        chosen = stream(len(self.prompts), step * count, count, config.seed, "prompts")
        prompts, sampling = [self.prompts[i] for i in chosen], self._sampling("rollout", step)
        # A prompt's seed tells how often it came before in the whole batch, whoever answers it.
        share, seeds = self.crew.share(prompts), self.crew.share(sampling.seeds(prompts, each))
        with self.clock.measure("generate"), self.crew.autocast():
            mine = self._sample(share, sampling, seeds, each)
        with self.clock.measure("score"), self.crew.autocast():
            # Each process judges its own, and all get everything: advantages are of the whole
            # batch.
            judged = gather_rows(self.crew, self._judge(mine), each)
            episodes = gather_episodes(self.crew, mine, each)
            return self.experience(episodes, judged)

    def _judge(self, episodes: Episodes) -> list[Judged]:
        return self.parts.apply(episodes, self.trunks.judge(episodes))

    def _sampling(self, *purpose: str | int) -> Sampling:
        """How to draw responses, the same ones for the same purpose."""
        # By purpose and step: an evaluation in between does not shift what the next rollout draws.
        config, seed = self.config, derive(self.config.seed, *purpose)
        limit, temperature = config.max_response_tokens, config.temperature
        return Sampling(limit, temperature, seed, self.stop_ids, self.pad_id)

    def _sample(
        self,
        prompts: Sequence[list[int]],
        sampling: Sampling,
        seeds: Sequence[int] | None = None,
        each: int = 1,
    ) -> Episodes:
        with self.trunks.sampling():
            return sample_episodes(self.trunks.policy, prompts, sampling, seeds, each)

    def _describe(self, e: Experience) -> dict[str, float]:
        """What the batch looked like before learning from it."""
        # k1 summed over a response: an unbiased estimate, which may be negative in a small batch at
        # the start.
        kl = float(e.kl.mean())
        return {
            "objective/kl": kl,
            "objective/scores": float(e.scores.mean()),
            "objective/scores_std": float(e.scores.std(unbiased=False)),
            "objective/reward": float(e.scores.mean()) - self.beta * kl,
            # Of the sampled tokens, an estimate of the entropy that needs no distribution over the
            # vocabulary.
            "objective/entropy": float(losses.masked_mean(-e.logprobs, e.mask)),
            "objective/response_length": float(e.mask.sum(1).float().mean()),
            "objective/finished": sum(e.episodes.finished) / len(e.episodes.finished),
            "objective/beta": self.beta,
            **self._parts_of(e),
        }

    def _parts_of(self, batch: Batch) -> dict[str, float]:
        """The mean of each part of the score; they add up to the mean score."""
        return {f"objective/part/{name}": float(part.mean()) for name, part in batch.parts.items()}

    def _measure_baseline(self) -> None:
        before = self.evaluate(0)
        self.baseline = {f"{name}_before": value for name, value in before.items()}
        if self.crew.is_first:
            self.report.metrics(0, self.total, before)

    def evaluate(self, step: int) -> dict[str, float]:
        """Measure the averaged weights, which are what is exported, on unseen prompts and text."""
        metrics: dict[str, float] = {}
        with self.clock.measure("evaluate"), self.learner.average.applied(self.trunks.policy):
            if self.validation:
                metrics |= self._evaluate_prompts(step)
            if self.held_out:
                tokens = sum(len(block.response) for block in self.held_out)
                with torch.no_grad():
                    # All of it in every process, as the validation prompts: a few blocks, for which
                    # sharing out would pay with a further meeting of the processes.
                    metrics["eval/ptx_loss"] = float(self.learner.text_loss(self.held_out, tokens))
            if self.config.keep_best and step and "eval/scores" in metrics:
                self._keep_if_best(step, metrics)
        return metrics

    def _keep_if_best(self, step: int, metrics: dict[str, float]) -> None:
        """Keep a copy of the average where no evaluation before found a better one."""
        # With the setting's β, not the present one: a β that adapts would measure each with another
        # yardstick.
        reward = metrics["eval/scores"] - self.config.kl_coefficient * metrics["eval/kl"]
        if not self.best or reward > self.best["reward"]:
            self.best = {"step": step, "reward": reward, "metrics": dict(metrics)}
            # The model holds the average while it is evaluated, and the average the model's own.
            weights = trained(self.trunks.policy)
            self.best_weights = {
                name: weights[name].detach().clone() for name in self.learner.average.weights
            }

    def _evaluate_prompts(self, step: int) -> dict[str, float]:
        """Scores and KL of one response to each validation prompt, the same draws every time."""
        with self.crew.autocast():
            # Without the step in its seed: the same draws every time, so that two evaluations
            # differ by the weights and not by luck.
            episodes = self._sample(self.validation, self._sampling("evaluation"))
            judged = self._judge(episodes)
        e = make_batch(episodes, judged, self.crew.device)
        if self.crew.is_first:
            self.report.sample(step, sample_rows(self.tokenizer, episodes, e.scores, 8))
        return {
            "eval/scores": float(e.scores.mean()),
            "eval/kl": float(e.kl.mean()),
            "eval/response_length": float(e.mask.sum(1).float().mean()),
            "eval/finished": sum(episodes.finished) / len(episodes.finished),
        }

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is learned."""
        best = {f"best/{name}": weight for name, weight in self.best_weights.items()}
        return self.learner.tensors() | best

    def values(self) -> dict[str, Any]:
        """β, the baseline, and whether the KL limit ended the run."""
        # `done` too: a run that the limit ended, killed during its last evaluation, must not learn
        # on.
        state = {"beta": self.beta, "baseline": self.baseline, "done": self.done}
        return state | {"notes": self.notes, "best": self.best}

    def restore(self, state: State) -> None:
        """Take up a saved state."""
        self.learner.restore(state.tensors)
        self.beta, self.baseline = state.values["beta"], state.values["baseline"]
        self.done, self.notes = state.values["done"], state.values["notes"]
        self.best = state.values["best"]
        saved = {name: state.tensors.get(f"best/{name}") for name in self.learner.average.weights}
        self.best_weights = {name: w for name, w in saved.items() if w is not None}
