"""How a new policy compares with the one it started from, judged by a reward model.

Both answer the same validation prompts with the same seeds; every figure carries its 95 % interval,
clustered by prompt, because answers to one prompt are not independent. Pure: no database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labeling.intervals import Clusters, mean, rate
from models_service.lm.chat import Message, decode, pad_token_id, stop_token_ids
from models_service.lm.checkpoint import load_policy, load_reward
from models_service.lm.generation import Sampling
from models_service.lm.heads import ScalarModel
from models_service.lm.scoring import response_logprobs
from trainer.algorithms.best_of_n import kl_of_best, sample_best, yardstick
from trainer.algorithms.contract import Reporter, TrainingError
from trainer.algorithms.data import Encoder, read_snapshot, require_one_vocabulary
from trainer.algorithms.episodes import Episodes, sample_episodes, sample_rows, score_episodes
from trainer.algorithms.room import require_room
from trainer.algorithms.settings import EvaluationConfig

Utility = Callable[[Sequence[Message], str], float]

STEPS = 4  # the new policy's answers, the baseline's, their scores, the divergence
SAMPLES_SHOWN = 8


@dataclass(frozen=True)
class Contest:
    """Checkpoint folders of the two policies and of the reward model that judges them.

    `best_of` above 1: of so many answers the policy says the one that this reward model likes best.
    """

    policy: Path
    baseline: Path
    reward: Path
    best_of: int = 1

    @property
    def folders(self) -> dict[str, Path]:
        """Each model's folder, by what it is here."""
        return {"policy": self.policy, "baseline": self.baseline, "reward": self.reward}


@dataclass(frozen=True)
class Question:
    """A prompt as messages and as token ids."""

    messages: list[Message]
    tokens: list[int]


@dataclass(frozen=True)
class Answers:
    """One policy's answers to all prompts, in order, and the scores they got, one a row."""

    episodes: Episodes
    scores: list[float]


def evaluate(
    config: EvaluationConfig, *, snapshot: Path, contest: Contest, report: Reporter
) -> dict[str, Any] | None:
    """Figures of the contest as `{"win_rate": {"value", "low", "high", "n"}, "kl": …, …}`.

    `win_rate` is the share of prompts' answer pairs that the new policy wins, ties counting half;
    `kl` the mean over its answers of log π(y|x) − log π_baseline(y|x), in nats a response, and
    of a best of n also what its choice adds (`kl_of_best`);
    `best_of_n` the yardstick, what the best of several answers of the baseline would score;
    `skipped` counts the prompts that could not be asked, by reason. None when it was asked to stop.
    Raises TrainingError and CheckpointError.
    """
    require_room(config.to_dict(), contest.folders)
    judge, tokenizer = load_reward(contest.reward)
    asked, skipped = questions(config, snapshot, tokenizer)
    policy = _policy(contest.policy, "policy", tokenizer)
    new = _answer(config, policy, asked, tokenizer, judge, contest.best_of)
    report.metrics(1, STEPS, {})
    if report.should_stop():
        return None
    # Loaded only now: a round that is asked to stop after the new policy's answers need not read
    # it.
    baseline = _policy(contest.baseline, "baseline", tokenizer)
    old = _answer(config, baseline, asked, tokenizer)
    report.metrics(2, STEPS, {})
    sides = [_scored(config, judge, tokenizer, episodes) for episodes in (new, old)]
    report.sample(STEPS, _rows(sides, tokenizer))
    report.metrics(3, STEPS, {})
    divergence = _divergence(config, policy, baseline, new)
    if contest.best_of > 1:
        # Best of n has no log-probability of its own that a pass would give. But log(best/baseline)
        # is log(best/policy) + log(policy/baseline): n alone tells the first part's mean, or bounds
        # it, and the passes tell the second.
        divergence = [kl_of_best(contest.best_of) + one for one in divergence]
    figures = compare(sides[0], sides[1], divergence, config.answers_per_prompt)
    report.metrics(STEPS, STEPS, {})
    return figures | {"skipped": skipped}


def win_rates(
    config: EvaluationConfig, *, snapshot: Path, contest: Contest, utility: Utility
) -> dict[str, dict[str, Any]]:
    """The policy's win rate by the reward model and by `utility`, on the same answers, and its KL.

    `{"reward": {"value", "low", "high", "n"}, "gold": {…}, "kl": {…}}`. The utility is what
    simulated labelers want, hidden from everything that is trained. Raises TrainingError,
    CheckpointError.
    """
    require_room(config.to_dict(), contest.folders)
    judge, tokenizer = load_reward(contest.reward)
    asked, _ = questions(config, snapshot, tokenizer)
    scores: dict[str, list[list[float]]] = {"reward": [], "gold": []}
    sides_of = {"policy": contest.policy, "baseline": contest.baseline}
    policies = [_policy(folder, name, tokenizer) for name, folder in sides_of.items()]
    # The same answers for both judges: what the reward model and the utility differ by is then not
    # the draws.
    sides = [_answer(config, policy, asked, tokenizer) for policy in policies]
    for episodes in sides:
        texts = [decode(tokenizer, response) for response in episodes.responses]
        scores["reward"].append(_scored(config, judge, tokenizer, episodes).scores)
        scores["gold"].append(
            [utility(one.messages, text) for one, text in zip(asked, texts, strict=True)]
        )
    each = config.answers_per_prompt
    divergence = _divergence(config, policies[0], policies[1], sides[0])
    rates = {who: win_rate(new, old, each) for who, (new, old) in scores.items()}
    return {**rates, "kl": _mean(divergence, each)}


def compare(new: Answers, old: Answers, divergence: Sequence[float], each: int) -> dict[str, Any]:
    """The figures from both sides' scores, `each` consecutive rows belonging to one prompt, and
    the scores themselves."""
    lengths = [[float(len(r)) for r in side.episodes.responses] for side in (new, old)]
    ends = [[float(f) for f in side.episodes.finished] for side in (new, old)]
    measured = {
        "score": new.scores,
        "score_baseline": old.scores,
        "response_tokens": lengths[0],
        "response_tokens_baseline": lengths[1],
        "kl": divergence,
    }
    figures = {name: _mean(values, each) for name, values in measured.items()}
    figures |= {"finished": _rate(ends[0], each), "finished_baseline": _rate(ends[1], each)}
    # Of one answer a prompt no best can be chosen.
    by_prompt = [old.scores[i : i + each] for i in range(0, len(old.scores), each)]
    best = {"best_of_n": yardstick(by_prompt)} if each > 1 else {}
    scores = {"policy": _rounded(new.scores), "baseline": _rounded(old.scores)}
    return {"win_rate": win_rate(new.scores, old.scores, each), **figures, **best, "scores": scores}


def win_rate(new: Sequence[float], old: Sequence[float], each: int) -> dict[str, Any]:
    """How often `new` is above `old`, ties half, with its interval clustered by prompt."""
    # Answer j of one side against answer j of the other, not all pairs of a prompt: each answer
    # counts once, and equal policies give the same answers, ties that are worth a half.
    wins = [float(a > b) + 0.5 * (a == b) for a, b in zip(new, old, strict=True)]
    return _rate(wins, each)


def questions(
    config: EvaluationConfig, snapshot: Path, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[Question], dict[str, int]]:
    """Each validation prompt that can be asked, as often as it is answered, in a row; and how many
    cannot, by reason."""
    encoder = Encoder(tokenizer, config.max_prompt_tokens, config.max_response_tokens)
    lines = (p for p in read_snapshot(snapshot).prompts if p.split == "validation")
    encoded = ((line.messages, encoder.prompt(line.messages)) for line in lines)
    fitting = [Question(messages, tokens) for messages, tokens in encoded if tokens is not None]
    # After leaving out what cannot be asked, so that as many are asked as were wanted.
    fitting = fitting[: config.prompts]
    # An interval over prompts needs two.
    if len(fitting) < 2:
        raise TrainingError(
            f"Only {len(fitting)} validation prompts of {config.max_prompt_tokens} tokens at most "
            "can be asked. "
            "Import more prompts, or raise max_prompt_tokens."
        )
    # A prompt's rows in a row: `_by_prompt` clusters them by number alone.
    asked = [question for question in fitting for _ in range(config.answers_per_prompt)]
    return asked, dict(encoder.counts)


def _policy(folder: Path, name: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A policy that reads the judge's tokens, in which all questions are asked."""
    policy, own = load_policy(folder)
    require_one_vocabulary({name: own, "reward model": tokenizer})
    return policy


def _answer(
    config: EvaluationConfig,
    policy: PreTrainedModel,
    asked: Sequence[Question],
    tokenizer: PreTrainedTokenizerBase,
    judge: ScalarModel | None = None,
    best_of: int = 1,
) -> Episodes:
    # One process computes this, without a group: nothing is trained.
    policy.to(_device())
    stop, pad = stop_token_ids(tokenizer), pad_token_id(tokenizer)
    limit, temperature = config.max_response_tokens, config.temperature
    # A prompt that comes again goes on with the seeds.
    sampling = Sampling(limit, temperature, config.seed, stop, pad)
    prompts = [question.tokens for question in asked]
    if judge is None or best_of == 1:
        return sample_episodes(policy, prompts, sampling)
    budget = config.tokens_per_micro_batch
    return sample_best(policy, judge.to(_device()), prompts, best_of, sampling, budget)


def _scored(
    config: EvaluationConfig, judge: Any, tokenizer: PreTrainedTokenizerBase, episodes: Episodes
) -> Answers:
    budget, pad = config.tokens_per_micro_batch, pad_token_id(tokenizer)
    return Answers(episodes, score_episodes(judge.to(_device()), episodes, pad, budget).tolist())


def _divergence(
    config: EvaluationConfig, policy: PreTrainedModel, baseline: PreTrainedModel, answers: Episodes
) -> list[float]:
    said = (answers.prompts, answers.responses)
    limits = (config.temperature, config.tokens_per_micro_batch)
    with torch.no_grad():
        mine, theirs = (
            response_logprobs(model, *said, *limits).logprobs for model in (policy, baseline)
        )
    # k1, unclamped, as the KL that training reports. Padding is 0 on both sides.
    return (mine - theirs).sum(dim=1).tolist()


def _rows(sides: Sequence[Answers], tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    """The first answers of both policies in turn, to be read side by side."""
    named = []
    for who, side in zip(("New policy", "Baseline"), sides, strict=True):
        rows = sample_rows(tokenizer, side.episodes, torch.tensor(side.scores), SAMPLES_SHOWN)
        named.append([{**row, "response": f"{who}: {row['response']}"} for row in rows])
    return [row for pair in zip(*named, strict=True) for row in pair]


def _rounded(scores: Sequence[float]) -> list[float]:
    # Kept in the database, one for every answer, for the pages' distributions alone.
    return [round(score, 4) for score in scores]


def _by_prompt(count: int, each: int) -> Clusters:
    return Clusters.of([row // each for row in range(count)])


def _rate(values: Sequence[float], each: int) -> dict[str, Any]:
    interval = rate(values, _by_prompt(len(values), each))
    assert interval is not None, "a rate of nothing"
    return interval.figure(len(values))


def _mean(values: Sequence[float], each: int) -> dict[str, Any]:
    interval = mean(values, _by_prompt(len(values), each))
    assert interval is not None, "a mean of nothing"
    return interval.figure(len(values))


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
