"""Best of n: nothing is trained; of n responses of the policy, the reward model's favourite.

Read top to bottom: the run, one batch of prompts, the yardstick. What comes out of a run is not
weights but how much the reward model likes the best of 1, 2, 4 … n, and how far that is from the
policy: what any trained policy has to beat at its KL. Every metric is explained in
docs/best_of_n.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, log
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from models_service.lm.chat import pad_token_id, stop_token_ids
from models_service.lm.checkpoint import load_policy, load_reward
from models_service.lm.generation import Sampling, generate
from models_service.lm.heads import ScalarModel
from trainer.algorithms.accuracy import independent_mean
from trainer.algorithms.batches import cut
from trainer.algorithms.contract import Reporter, Result, Starts, TrainingError
from trainer.algorithms.data import Encoder, read_snapshot, require, require_one_vocabulary
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, episodes_of, sample_rows, score_episodes
from trainer.algorithms.loop import Clock
from trainer.algorithms.room import require_room
from trainer.algorithms.settings import BestOfNConfig

# Times n answers: enough to fill a pass, few enough that a round which is asked to stop need not
# wait long.
PROMPTS_A_STEP = 8


def measure(config: BestOfNConfig, *, snapshot: Path, start: Starts, report: Reporter) -> Result:
    """Score n responses of `start.policy` to validation prompts by `start.reward`.

    The notes hold the yardstick as `curve`. A run that was asked to stop begins anew: it draws the
    same responses again. Raises TrainingError and CheckpointError.
    """
    # No state is saved: there is nothing that is learned, and drawing again gives the same answers.
    job = BestOfN(config, snapshot, start, report)
    steps = cut(range(len(job.prompts)), PROMPTS_A_STEP)
    for step, rows in enumerate(steps, start=1):
        if report.should_stop():
            return Result(step - 1, stopped=True)
        report.metrics(step, len(steps), job.step(rows))
    curve = yardstick(job.scores)
    metrics = {
        "best_of_n/score": curve[-1]["score"]["value"],
        "best_of_n/score_of_one": curve[0]["score"]["value"],
        "best_of_n/kl": curve[-1]["kl"],
    }
    report.metrics(len(steps), len(steps), metrics)
    return Result(len(steps), metrics, notes={"curve": curve, **job.notes})


class BestOfN:
    """One run: the policy, the judge, the prompts and the scores so far, n of each prompt."""

    def __init__(
        self, config: BestOfNConfig, snapshot: Path, start: Starts, report: Reporter
    ) -> None:
        if start.reward is None:
            raise TrainingError("Best of n needs a reward model. Train one on rankings first.")
        require_room(config.to_dict(), {"policy": start.policy, "reward": start.reward})
        self.config, self.report = config, report
        self.crew, self.clock = Crew(), Clock()
        policy, self.tokenizer = load_policy(start.policy)
        reward, reward_tokenizer = load_reward(start.reward)
        require_one_vocabulary({"policy": self.tokenizer, "reward model": reward_tokenizer})
        self.policy, self.reward = policy.to(self.crew.device), reward.to(self.crew.device)
        encoder = Encoder(self.tokenizer, config.max_prompt_tokens, config.max_response_tokens)
        lines = [p for p in read_snapshot(snapshot).prompts if p.split == "validation"]
        self.prompts = encoder.prompts(lines)[: config.prompts]
        require(self.prompts, "validation prompt to answer", "Import some, or raise the limit.")
        limit, stop = config.max_response_tokens, stop_token_ids(self.tokenizer)
        pad = pad_token_id(self.tokenizer)
        self.sampling = Sampling(limit, config.temperature, config.seed, stop, pad)
        # Of all prompts, before they are cut into steps: a prompt that comes again goes on with the
        # seeds of the one before, in whatever step that was.
        self.seeds = self.sampling.seeds(self.prompts, config.n)
        self.scores: list[list[float]] = []
        self.notes: dict[str, Any] = {"prompts": len(self.prompts), **encoder.counts}

    def step(self, rows: Sequence[int]) -> dict[str, float]:
        """Draw n responses to each of some prompts, score them, and show the best of each."""
        config, sampling = self.config, self.sampling
        prompts, seeds = [self.prompts[i] for i in rows], [self.seeds[i] for i in rows]
        with self.clock.measure("generate"), self.crew.autocast():
            drawn = candidates(self.policy, prompts, config.n, sampling, seeds)
        with self.clock.measure("score"), self.crew.autocast():
            budget = config.tokens_per_micro_batch
            scores = score_episodes(self.reward, drawn, sampling.pad_id, budget)
        # The first step's are shown, and so the same prompts every time.
        if not self.scores:
            best = choose(scores.tolist(), config.n)
            shown = sample_rows(self.tokenizer, drawn.only(best), scores[best], PROMPTS_A_STEP)
            self.report.sample(1, shown)
        self.scores += scores.view(-1, config.n).tolist()
        return {
            "best_of_n/score": float(scores.view(-1, config.n).max(1).values.mean()),
            "best_of_n/score_of_one": float(scores.mean()),
            **self.clock.take(),
        }


def candidates(
    policy: PreTrainedModel,
    prompts: Sequence[list[int]],
    n: int,
    sampling: Sampling,
    seeds: Sequence[int] | None = None,
) -> Episodes:
    """n responses to each prompt, a prompt's in consecutive rows; `seeds` as in `generate`."""
    # The prompt is read once for all n.
    drawn = generate(policy, prompts, n, sampling, seeds=seeds)
    repeated = [prompt for prompt in prompts for _ in range(n)]
    return episodes_of(repeated, [response for group in drawn for response in group], sampling)


def choose(scores: Sequence[float], n: int) -> list[int]:
    """The row of the highest score among each n consecutive ones, the first of equals."""
    groups = (range(first, first + n) for first in range(0, len(scores), n))
    return [max(group, key=lambda row: scores[row]) for group in groups]


def sample_best(
    policy: PreTrainedModel,
    judge: ScalarModel,
    prompts: Sequence[list[int]],
    n: int,
    sampling: Sampling,
    budget: int,
) -> Episodes:
    """What the best-of-n policy says to each prompt."""
    drawn = candidates(policy, prompts, n, sampling)
    scores = score_episodes(judge, drawn, sampling.pad_id, budget)
    return drawn.only(choose(scores.tolist(), n))


def kl_of_best(n: int) -> float:
    """KL(best of n ‖ policy) in nats a response: ln n − (n − 1)/n.

    Exact where no two responses score alike, else an upper bound. (Stiennon et al. 2020, appendix
    G.3; Beirami et al. 2024.)
    """
    return log(n) - (n - 1) / n


def expected_best(scores: Sequence[float], k: int) -> float:
    """Mean of the highest of k scores over every way to draw k of these without replacement.

    The unbiased estimate of what the best of k scores. (Nakano et al. 2021, appendix I.)
    """
    # The i-th of the sorted scores (from 0) is the highest of C(i, k−1) of all C(n, k) draws: those
    # whose others lie below it.
    ordered, ways = sorted(scores), comb(len(scores), k)
    return sum(comb(i, k - 1) * score for i, score in enumerate(ordered)) / ways


def yardstick(scores: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """For k = 1, 2, 4 … n, from n scores of each prompt: `{"n", "kl", "score"}`.

    `score` is `{"value", "low", "high", "n"}`, the mean over prompts with its 95 % interval; its n
    counts prompts.
    """
    most = len(scores[0])
    # By doubling, since KL grows with ln n: points about equally far apart on the curve's axis.
    sizes = sorted({2**i for i in range(most.bit_length()) if 2**i <= most} | {most})
    best = {k: independent_mean([expected_best(one, k) for one in scores]) for k in sizes}
    return [{"n": k, "kl": kl_of_best(k), "score": best[k].figure(len(scores))} for k in sizes]
