"""PPO and PPO-ptx: the policy learns to write what the reward model scores highly.

Read top to bottom: the run, one iteration (sample, judge, learn), evaluation, state. The settings
are in `settings`, the models in `trunks`, the updates in `learner`. Every metric and every choice
that the paper leaves open is explained in docs/ppo.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models_service.lm.chat import pad_token_id, stop_token_ids
from models_service.lm.checkpoint import load_policy, load_reward
from models_service.lm.generation import Sampling
from trainer.algorithms import loop, losses
from trainer.algorithms.batches import PretrainingText
from trainer.algorithms.contract import Reporter, Result, Starts, TrainingError
from trainer.algorithms.data import (
    Encoder,
    Example,
    read_snapshot,
    require,
    require_one_vocabulary,
)
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, sample_episodes, sample_rows
from trainer.algorithms.learner import Learner
from trainer.algorithms.resume import State, States, fingerprint, writing
from trainer.algorithms.rollouts import (
    Experience,
    RewardRule,
    gather_episodes,
    make_experience,
)
from trainer.algorithms.schedules import adapt_beta
from trainer.algorithms.seeds import derive, stream
from trainer.algorithms.settings import PPOConfig
from trainer.algorithms.trunks import TRUNKS

__all__ = ["PPOConfig", "train"]


def train(
    config: PPOConfig,
    *,
    snapshot: Path,
    start: Starts,
    out: Path,
    work: Path,
    report: Reporter,
    pretraining_text: Path | None = None,
) -> Result:
    """Train `start.policy` against `start.reward` and write the averaged weights to `out`.

    Called again with the same `work` it goes on where it was, to the same weights. Raises
    TrainingError and CheckpointError.
    """
    job = PPO(config, snapshot, start, report, pretraining_text)
    states = States(work, job.fingerprint, config.keep_states)
    ended = loop.run(job, states, report, config.checkpoint_every, job.crew)
    if ended.stopped:
        return Result(ended.step, stopped=True)
    metrics = job.evaluate(ended.step)
    if job.crew.is_first:
        report.metrics(ended.step, job.total, metrics)
    # The average is what was evaluated, and so what is exported; the policy itself is in the state
    # alone.
    with writing(out), job.learner.average.applied(job.trunks.policy):
        job.trunks.export(job.tokenizer, out)
    job.crew.wait()
    return Result(ended.step, metrics | job.baseline, notes=job.notes)


class PPO:
    """One run: the models, the averaged weights, the data and everything a state has to hold."""

    def __init__(
        self,
        config: PPOConfig,
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
        self.learner = Learner(config, self.trunks, self.blocks, self.crew)
        self.beta = config.kl_coefficient
        self.baseline: dict[str, float] = {}

    def _load(self, start: Starts) -> None:
        if start.reward is None:
            raise TrainingError("PPO needs a reward model. Train one on rankings first.")
        policy, self.tokenizer = load_policy(start.policy)
        reward, reward_tokenizer = load_reward(start.reward)
        require_one_vocabulary({"policy": self.tokenizer, "reward model": reward_tokenizer})
        self.stop_ids, self.pad_id = stop_token_ids(self.tokenizer), pad_token_id(self.tokenizer)
        kind = TRUNKS[self.config.trunk]
        self.trunks = kind(self.config, policy, reward, self.pad_id, self.crew)

    def _read(self, path: Path, start: Starts, pretraining_text: Path | None) -> None:
        config, data = self.config, read_snapshot(path)
        encoder = Encoder(self.tokenizer, config.max_prompt_tokens, config.max_response_tokens)
        self.prompts = encoder.prompts(p for p in data.prompts if p.split == "train")
        require(self.prompts, "training prompt to sample from", "Import some, or raise the limit.")
        validation = [p for p in data.prompts if p.split == "validation"]
        # The first ones in the snapshot's order, the same in every evaluation, so that their curve
        # moves by the policy alone.
        self.validation = encoder.prompts(validation)[: config.eval_prompts]
        self.blocks: list[Example] = []
        self.held_out: list[Example] = []
        self.notes: dict[str, Any] = {"prompts": len(self.prompts), **encoder.counts}
        inputs = [data.sha256]
        # Without it the text is not even read: plain PPO needs none, and its hash would name the
        # run.
        if config.ptx_coefficient:
            text = PretrainingText(self.tokenizer, pretraining_text, config.ptx_tokens)
            self.blocks, self.held_out = text.blocks, text.held_out
            self.notes |= text.notes
            inputs.append(text.sha256)
        self.fingerprint = fingerprint("ppo", config.identity(), start, *inputs)

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
        """Sample a response to each of the iteration's prompts and judge it."""
        config = self.config
        # One reading of all prompts that goes on from batch to batch: each comes once before any
        # comes twice.
        first = step * config.batch_size
        chosen = stream(len(self.prompts), first, config.batch_size, config.seed, "prompts")
        prompts, sampling = [self.prompts[i] for i in chosen], self._sampling("rollout", step)
        # A prompt's seed tells how often it came before in the whole batch, whoever answers it.
        share, seeds = self.crew.share(prompts), self.crew.share(sampling.seeds(prompts))
        with self.clock.measure("generate"), self.crew.autocast():
            mine = self._sample(share, sampling, seeds)
        with self.clock.measure("score"), self.crew.autocast():
            # Each process judges its own, and all get everything: advantages are whitened over the
            # whole batch.
            judged = self.crew.gather(self.trunks.judge(mine))
            episodes = gather_episodes(self.crew, mine)
            return make_experience(episodes, judged, self._rule(), self.crew.device)

    def _rule(self) -> RewardRule:
        c = self.config
        return RewardRule(self.beta, c.unfinished_penalty, c.gamma, c.gae_lambda, c.whiten_rewards)

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
    ) -> Episodes:
        with self.trunks.sampling():
            return sample_episodes(self.trunks.policy, prompts, sampling, seeds)

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
            "ppo/val/explained_variance": float(
                losses.explained_variance(e.values, e.returns, e.mask)
            ),
        }

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
        return metrics

    def _evaluate_prompts(self, step: int) -> dict[str, float]:
        """Scores and KL of one response to each validation prompt, the same draws every time."""
        with self.crew.autocast():
            # Without the step in its seed: the same draws every time, so that two evaluations
            # differ by the weights and not by luck.
            episodes = self._sample(self.validation, self._sampling("evaluation"))
            judged = self.trunks.judge(episodes)
        e = make_experience(episodes, judged, self._rule(), self.crew.device)
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
        return self.learner.tensors()

    def values(self) -> dict[str, Any]:
        """β, the baseline, and whether the KL limit ended the run."""
        # `done` too: a run that the limit ended, killed during its last evaluation, must not learn
        # on.
        state = {"beta": self.beta, "baseline": self.baseline, "done": self.done}
        return state | {"notes": self.notes}

    def restore(self, state: State) -> None:
        """Take up a saved state."""
        self.learner.restore(state.tensors)
        self.beta, self.baseline = state.values["beta"], state.values["baseline"]
        self.done, self.notes = state.values["done"], state.values["notes"]
