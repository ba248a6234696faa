"""How well a reward model predicts labelers it did not learn from: cross-validation by labeler.

For each fold of labelers one more model learns from all the others, is measured and is thrown
away. (Ouyang et al. 2022, section 3.5; the report's names are in docs/reward.md.)
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.algorithms.contract import Reporter
from trainer.algorithms.data import TRAINING_LABELERS, Ranking
from trainer.algorithms.diagnosis import accuracy_figure
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.resume import writing
from trainer.algorithms.seeds import permutation

# Outcomes of a model's untied pairs: who ranked them (seen, left_out, held_out) → prompt → list.
Outcomes = Mapping[str, Mapping[str, Sequence[float]]]
GROUPS = ("seen", "left_out", "held_out")


@dataclass(frozen=True)
class Measured:
    """What one fold's model did, and the prompts it learned from: 0 where the others preferred
    nothing, so that there was no model. Outcomes None: asked to stop."""

    prompts: int
    outcomes: Outcomes | None


def deal(rankings: Sequence[Ranking], count: int, seed: int) -> list[frozenset[str]]:
    """Training labelers in `count` folds of about as many training rankings each.

    Fewer folds where there are fewer labelers; none where there is only one.
    """
    ranked = Counter(
        r.labeler for r in rankings if r.group == TRAINING_LABELERS and r.split == "train"
    )
    # Sorted before they are shuffled: the order of a snapshot's lines must not deal them
    # differently.
    names = sorted(ranked)
    shuffled = [names[i] for i in permutation(len(names), seed, "folds")]
    folds: list[set[str]] = [set() for _ in range(min(count, len(names)))]
    # Those with the most rankings first, each to the fold that has the fewest so far (longest
    # processing time first, Graham 1969): folds by number alone would put the few who label most
    # together. The sort is stable, so that equals stay shuffled.
    for name in sorted(shuffled, key=lambda name: -ranked[name]):
        min(folds, key=lambda fold: sum(ranked[one] for one in fold)).add(name)
    # With one fold there would be nobody left to learn from.
    return [frozenset(fold) for fold in folds] if len(folds) > 1 else []


def report(
    folds: Sequence[frozenset[str]],
    work: Path,
    run: str,
    measure: Callable[[int, frozenset[str], Path], Measured],
    crew: Crew,
) -> dict[str, Any] | None:
    """Measure every fold and put the report together; None when it was asked to stop.

    `measure` trains without a fold's labelers, its states in the folder it is given. What a fold
    gave is kept in `work`, so that the `run` (its fingerprint) need not train it anew when it is
    taken up again.
    """
    measured: list[Measured] = []
    for number, labelers in enumerate(folds, start=1):
        kept = work / f"fold-{number}.json"
        # A fold is a run of its own with states of its own: after a kill the folds that are done
        # are read, and the one under way goes on.
        one = _read(kept, run) or measure(number, labelers, work / f"fold-{number}")
        if one.outcomes is None:
            return None
        if crew.is_first:
            # Kept before the states go: the other way round a kill in between would lose both.
            _keep(kept, run, one)
            # A fold's states are as large as the model's, and nobody wants its weights.
            shutil.rmtree(work / f"fold-{number}", ignore_errors=True)
        crew.wait()
        measured.append(one)
    rows = [
        {"fold": number, "labelers": len(labelers), "prompts": one.prompts, **_figures([one])}
        for number, (labelers, one) in enumerate(zip(folds, measured, strict=True), start=1)
    ]
    return {**_figures(measured), "folds": rows}


def _figures(measured: Sequence[Measured]) -> dict[str, Any]:
    return {who: accuracy_figure(_together(measured, who)) for who in GROUPS}


def _together(measured: Sequence[Measured], who: str) -> list[list[float]]:
    """The outcomes of several models: a prompt that several were measured on is one cluster."""
    clusters: dict[str, list[float]] = {}
    for one in measured:
        for prompt, outcomes in (one.outcomes or {}).get(who, {}).items():
            # Validation prompts are measured by every fold's model. Counted as prompts of their
            # own, they would make the interval too narrow by about the root of the number of folds.
            clusters.setdefault(prompt, []).extend(outcomes)
    return list(clusters.values())


class Part:
    """A reporter of one part of a run: its steps come after those of the parts before."""

    def __init__(self, report: Reporter, number: int, length: int, parts: int) -> None:
        self.report, self.number = report, number
        self.first, self.total = number * length, length * parts

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        """A fold's own curve is its loss alone."""
        # Under the model's own names the folds' curves would go on where its curve ends.
        names = values if self.number == 0 else values.keys() & {"reward/loss", "time/train"}
        renamed = {name if self.number == 0 else f"fold/{name}": values[name] for name in names}
        self.report.metrics(self.first + step, self.total, renamed)

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        self.report.sample(self.first + step, rows)

    def should_stop(self) -> bool:
        return self.report.should_stop()


def _keep(kept: Path, run: str, one: Measured) -> None:
    new = kept.with_suffix(".new")
    with writing(kept):
        new.write_text(json.dumps({"run": run, **asdict(one)}))
        # A rename, so that a half-written file is never read as a fold.
        new.replace(kept)


def _read(kept: Path, run: str) -> Measured | None:
    """What was kept, if this run kept it."""
    try:
        record = json.loads(kept.read_text())
    except (OSError, ValueError):
        return None
    return Measured(record["prompts"], record["outcomes"]) if record.get("run") == run else None
