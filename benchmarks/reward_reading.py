"""Whether a reward model is read where it was trained, on a snapshot of an installation.

For every seed a reward model is trained with the demo preset's settings. Told of it: its accuracy
on validation pairs, all together and apart by how the two answers ended; and of pairs of answers
that the policy gives to one validation prompt, scored as PPO scores them, the share in which it
prefers the one that the hidden utility of simulated labelers prefers (equal scores ½). `score` is
the model's own, `reward` less what PPO takes off an answer that did not end. Intervals are 95 %,
clustered by prompt.

`--as-finished` trains as if every answer had ended, with a stop token behind cut ones, and measures
in the same way: what that costs. A seed's figures are kept in `--out`, by snapshot, and not made
again, and a run that was interrupted goes on from its last state. Another policy needs another
`--out`.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from labeling.simulation.utilities import concise  # noqa: E402
from models_service.lm.chat import decode, pad_token_id, stop_token_ids  # noqa: E402
from models_service.lm.checkpoint import load_policy, load_reward  # noqa: E402
from models_service.lm.generation import Sampling  # noqa: E402
from models_service.lm.packaged import write_packaged_checkpoint  # noqa: E402
from models_service.lm.reading import Said, opinions  # noqa: E402
from models_service.lm.tiny import write_tiny_checkpoint  # noqa: E402
from trainer.algorithms import reward  # noqa: E402
from trainer.algorithms.accuracy import (  # noqa: E402
    ENDINGS,
    clustered_mean,
    pair_endings,
    pair_outcomes,
)
from trainer.algorithms.best_of_n import candidates  # noqa: E402
from trainer.algorithms.contract import Starts  # noqa: E402
from trainer.algorithms.data import Encoder, Snapshot, read_snapshot  # noqa: E402
from trainer.algorithms.episodes import Episodes, score_episodes  # noqa: E402
from trainer.algorithms.presets import load_preset  # noqa: E402

Figures = dict[str, Any]
PRESET = load_preset("demo")
# Prompt, outcome and ending of a pair.
Pair = tuple[str, float, str]


class Quiet:
    """A reporter that tells on standard error where a run is."""

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        print(f"step {step} of {total}", file=sys.stderr)

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Nothing is sampled."""

    def should_stop(self) -> bool:
        return False


def main() -> None:
    options = _options()
    snapshot, data = options.snapshot, read_snapshot(options.snapshot)
    options.out = options.out / data.sha256[:12]
    options.out.mkdir(parents=True, exist_ok=True)
    policy = options.policy or _base(options)
    if options.as_finished:
        snapshot = _as_finished(options)
    drawn = _drawn(options, policy, data)
    seeds = {}
    for seed in options.seeds:
        name = f"{'as-finished' if options.as_finished else 'as-ended'}-{seed}"
        kept = options.out / name / "figures.json"
        if not kept.exists():
            folder = _trained(options, snapshot, policy, seed, options.out / name)
            kept.write_text(json.dumps(_measured(folder, data, drawn)))
        seeds[seed] = json.loads(kept.read_text())
        print(seed, json.dumps(seeds[seed]), file=sys.stderr)
    ends = [finished for ranking in data.rankings for finished in ranking.finished]
    print(
        json.dumps(
            {
                "benchmark": "reward_reading",
                "as_finished": options.as_finished,
                "finished_in_labels": round(sum(ends) / len(ends), 3),
                "finished_in_samples": round(sum(drawn["finished"]) / len(drawn["finished"]), 3),
                "seeds": seeds,
            }
        )
    )


def _options() -> Namespace:
    parser = ArgumentParser(description="Whether a reward model is read where it was trained.")
    parser.add_argument("snapshot", type=Path, help="a snapshot file with finished and cut answers")
    parser.add_argument("--policy", type=Path, help="checkpoint folder; default: packaged model")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--as-finished", action="store_true", help="train on false endings")
    parser.add_argument("--k", type=int, default=8, help="answers a validation prompt")
    parser.add_argument("--prompts", type=int, default=48, help="validation prompts at most")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "reward_reading")
    parser.add_argument("--quick", action="store_true", help="the tiny model, for a try")
    return parser.parse_args()


def _base(options: Namespace) -> Path:
    folder = options.out / ("tiny" if options.quick else "packaged")
    if not folder.exists():
        (write_tiny_checkpoint if options.quick else write_packaged_checkpoint)(folder)
    return folder


def _as_finished(options: Namespace) -> Path:
    """The snapshot as it would be had every answer ended by itself."""
    path = options.out / "as-finished.jsonl"
    lines = (json.loads(line) for line in options.snapshot.read_text().splitlines())
    told = ({name: value for name, value in line.items() if name != "finished"} for line in lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in told))
    return path


def _trained(options: Namespace, snapshot: Path, policy: Path, seed: int, folder: Path) -> Path:
    """Where the seed's reward model lies, trained now."""
    out = folder / "out"
    if not out.exists():
        reward.train(
            replace(PRESET.reward, seed=seed),
            snapshot=snapshot,
            start=Starts(policy),
            out=out,
            work=folder / "work",
            report=Quiet(),
        )
    return out


def _drawn(options: Namespace, policy: Path, data: Snapshot) -> Figures:
    """K answers of the policy to each validation prompt, at PPO's limit, with what the hidden
    utility thinks of them; the same for all seeds."""
    kept = options.out / "answers.json"
    if kept.exists():
        return json.loads(kept.read_text())
    model, tokenizer = load_policy(policy)
    limits = PRESET.ppo.max_prompt_tokens, PRESET.ppo.max_response_tokens
    encoder = Encoder(tokenizer, *limits)
    asked = [p for p in data.prompts if p.split == "validation"]
    known = [(p.messages, ids) for p in asked if (ids := encoder.prompt(p.messages)) is not None]
    known = known[: options.prompts]
    stop, pad = stop_token_ids(tokenizer), pad_token_id(tokenizer)
    sampling = Sampling(limits[1], PRESET.ppo.temperature, 0, stop, pad)
    episodes = candidates(model, [ids for _, ids in known], options.k, sampling)
    texts = [decode(tokenizer, response) for response in episodes.responses]
    utilities = [concise(known[i // options.k][0], text) for i, text in enumerate(texts)]
    drawn = asdict(episodes) | {"k": options.k, "pad": pad, "utilities": utilities}
    kept.write_text(json.dumps(drawn))
    return drawn


def _measured(folder: Path, data: Snapshot, drawn: Figures) -> Figures:
    model, tokenizer = load_reward(folder)
    model.eval()

    def labeled() -> Iterable[Pair]:
        for ranking in data.rankings:
            if ranking.split != "validation":
                continue
            answers = zip(ranking.completions, ranking.finished, strict=True)
            said = opinions(model, tokenizer, [Said(ranking.messages, *one) for one in answers])
            scores = [sum(heads) / len(heads) for heads in said if heads]
            if len(scores) == len(ranking.ranks):
                yield from _pairs(str(ranking.messages), scores, ranking.ranks, ranking.finished)

    names = ("prompts", "responses", "logprobs", "finished", "end_id")
    episodes = Episodes(**{name: drawn[name] for name in names})
    budget = PRESET.ppo.tokens_per_micro_batch
    scores = score_episodes(model, episodes, drawn["pad"], budget).tolist()
    penalty = PRESET.ppo.unfinished_penalty
    rewards = [s - penalty * (not f) for s, f in zip(scores, episodes.finished, strict=True)]
    return {
        "validation_accuracy": _by_ending(labeled()),
        "agreement_with_utility": {
            "score": _by_ending(_sampled(drawn, scores)),
            "reward": _by_ending(_sampled(drawn, rewards)),
        },
        # Of mixed pairs: who prefers the one that ended.
        "prefers_the_finished": {
            name: _share(_mixed(drawn, values))
            for name, values in {
                "score": scores,
                "reward": rewards,
                "utility": drawn["utilities"],
            }.items()
        },
    }


def _groups(drawn: Figures) -> Iterable[range]:
    """Which rows answer one prompt."""
    return (range(i, i + drawn["k"]) for i in range(0, len(drawn["finished"]), drawn["k"]))


def _sampled(drawn: Figures, scores: list[float]) -> Iterable[Pair]:
    """Of every two answers that the utility tells apart, whether the scores do so as well."""
    for rows in _groups(drawn):
        finished = [drawn["finished"][i] for i in rows]
        # Ranks by utility, the best first; equal ones share a rank.
        utilities = [drawn["utilities"][i] for i in rows]
        ranks = [1 + sum(other > mine for other in utilities) for mine in utilities]
        yield from _pairs(str(rows.start), [scores[i] for i in rows], ranks, finished)


def _mixed(drawn: Figures, values: list[float]) -> Iterable[tuple[str, float]]:
    """Of every finished and cut answer to one prompt, whether the finished one is worth more."""
    for rows in _groups(drawn):
        for i, j in combinations(rows, 2):
            ends = drawn["finished"][i], drawn["finished"][j]
            if ends[0] != ends[1]:
                ahead = (values[i] - values[j]) * (1 if ends[0] else -1)
                yield str(rows.start), 0.5 if ahead == 0 else float(ahead > 0)


def _pairs(
    prompt: str, scores: list[float], ranks: list[int], finished: list[bool]
) -> Iterable[Pair]:
    endings = pair_endings(finished, ranks)
    for outcome, ending in zip(pair_outcomes(scores, ranks), endings, strict=True):
        yield prompt, outcome, ending


def _by_ending(pairs: Iterable[Pair]) -> Figures:
    found = list(pairs)
    kinds: dict[str, Callable[[str], bool]] = {"all": lambda ending: True}
    kinds |= {kind: kind.__eq__ for kind in ENDINGS}
    return {
        name: _share((prompt, outcome) for prompt, outcome, ending in found if takes(ending))
        for name, takes in kinds.items()
    }


def _share(outcomes: Iterable[tuple[str, float]]) -> Figures | None:
    """`{"value", "low", "high", "n"}`, clustered by prompt; None of no pair."""
    clusters: dict[str, list[float]] = {}
    for prompt, outcome in outcomes:
        clusters.setdefault(prompt, []).append(outcome)
    interval = clustered_mean([*clusters.values()])
    if interval is None:
        return None
    ends = {"value": interval.estimate, "low": interval.low, "high": interval.high}
    return {name: round(end, 4) for name, end in ends.items()} | {
        "n": sum(map(len, clusters.values()))
    }


if __name__ == "__main__":
    main()
