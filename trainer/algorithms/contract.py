"""What an algorithm and its caller agree on: where it starts, how it reports, what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class TrainingError(Exception):
    """A failure told to the researcher: what happened, then what to do about it."""


@dataclass(frozen=True)
class Starts:
    """Checkpoint folders a run starts from.

    `policy`: the model that is trained (SFT, PPO) or whose trunk becomes the reward model.
    `reward`: the reward model; PPO needs it, SFT uses it to choose its epoch.
    """

    policy: Path
    reward: Path | None = None


@dataclass(frozen=True)
class Result:
    """How a run ended. `stopped`: it was asked to stop and saved its state; call again to go on."""

    steps: int
    metrics: dict[str, float] = field(default_factory=dict)
    stopped: bool = False
    notes: dict[str, Any] = field(default_factory=dict)


class Reporter(Protocol):
    """What a run tells while it works. After a resume some steps are reported a second time."""

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        """Measurements made at `step` of `total` steps."""

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Texts to look at, as rows {"prompt", "response", "score"}."""

    def should_stop(self) -> bool:
        """True: save the state and return `Result(stopped=True)` at the next step."""
