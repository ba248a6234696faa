"""What a round does next, decided from its state alone: pure, no database.

queued ─ begin → running ─ freeze, then one run a stage → finished
                    ├ a stage failed → failed ─ retry → queued
                    └ paused ─ resume → queued
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RoundState:
    """All that the decision depends on.

    `frozen`: the snapshot exists. `runs`: stage → state of its run, for stages that have one.
    `busy`: another round holds the training worker.
    """

    state: str
    stages: tuple[str, ...]
    frozen: bool = False
    runs: Mapping[str, str] = field(default_factory=dict)
    busy: bool = False


@dataclass(frozen=True)
class Wait:
    """Nothing to do now."""


@dataclass(frozen=True)
class Begin:
    """Take the training worker."""


@dataclass(frozen=True)
class Freeze:
    """Write the snapshot of labels."""


@dataclass(frozen=True)
class Start:
    """Put this stage's run on the training queue, new or where it stopped."""

    stage: str


@dataclass(frozen=True)
class Fail:
    """This stage failed, and the round with it."""

    stage: str


@dataclass(frozen=True)
class Finish:
    """All stages are done: close the round and apply its promotion rule."""


Step = Wait | Begin | Freeze | Start | Fail | Finish


def decide(round: RoundState) -> Step:
    """The one next step of a round."""
    if round.state == "queued":
        return Wait() if round.busy else Begin()
    if round.state != "running":
        return Wait()
    return _next_stage(round) if round.frozen else Freeze()


def _next_stage(round: RoundState) -> Step:
    for stage in round.stages:
        state = round.runs.get(stage)
        if state == "finished":
            continue
        if state == "failed":
            return Fail(stage)
        return Wait() if state in ("queued", "running") else Start(stage)
    return Finish()


def promotes(rule: str, figures: Mapping[str, Any] | None) -> bool:
    """Whether a round's rule (never, if_better, always) promotes a policy with these figures.

    Better means that the 95 % interval of its win rate lies above one half as a whole.
    """
    if rule == "if_better":
        return figures is not None and bool(figures["win_rate"]["low"] > 0.5)
    return rule == "always"
