"""From a hidden utility to what a labeler would say: Thurstone's law of comparative judgment.

Each completion is perceived as its utility plus normal noise of one width (Case V), so a pair whose
utilities differ by d is ordered wrongly with probability Φ(-d / (σ√2)). σ is set so that the mean
of that over the pairs seen so far is the flip rate asked for.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from statistics import NormalDist, fmean

Messages = Sequence[Mapping[str, str]]
Utility = Callable[[Messages, str], float]

FLIPS = 0.15
"""Two labelers who each flip 15 % of the pairs agree on 74.5 %, near the paper's 72.6 %."""
_REMEMBERED = 2000
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Persona:
    """How one labeler differs: `tastes` weigh features beside the utility, in units of the mean
    difference between two completions; `care` divides the noise."""

    name: str
    shortness: float = 0.0
    lists: float = 0.0
    warmth: float = 0.0
    care: float = 1.0
    held_out: bool = False

    def taste(self, text: str) -> float:
        """What this labeler adds to the utility, before scaling."""
        return (
            -self.shortness * min(1.0, len(text) / 400)
            + self.lists * ("\n- " in text or "\n1." in text)
            + self.warmth * any(word in text.lower() for word in ("please", "thank", "glad"))
        )


PERSONAS = (
    Persona("sim-ada"),
    Persona("sim-brook", shortness=0.4),
    Persona("sim-cyd", lists=0.3, care=1.2),
    Persona("sim-dana", warmth=0.3, care=0.8),
    Persona("sim-eli", shortness=0.2, warmth=0.2, held_out=True),
)
"""Four who label for training and one who is held out."""


@dataclass(frozen=True)
class Judgment:
    """Tiers of ids, best first, and each id's overall quality from 1 to 7.

    A tie has one quality, and a better tier never has a lower one.
    """

    tiers: list[list[str]]
    overall: dict[str, int]


class Judge:
    """One labeler. `flips` is the share of pairs ordered wrongly by noise alone; completions
    closer than `ties` mean differences are tied."""

    def __init__(
        self,
        utility: Utility,
        persona: Persona,
        *,
        flips: float = FLIPS,
        ties: float = 0.1,
        seed: int = 0,
    ) -> None:
        if not 0 <= flips < 0.5:
            raise ValueError(f"flips must be at least 0 and below 0.5, not {flips}")
        self.utility, self.persona = utility, persona
        self.flips, self.ties = flips, ties
        self._chance = random.Random(f"{persona.name} {seed}")
        self._differences: deque[float] = deque(maxlen=_REMEMBERED)
        self._perceived: deque[float] = deque(maxlen=_REMEMBERED)

    def judge(self, messages: Messages, texts: Mapping[str, str]) -> Judgment:
        """Order and rate the completions, given by their ids."""
        seen = self._perceive(messages, texts)
        self._perceived.extend(seen.values())
        tiers = self._tiers(seen)
        overall = {
            item: self._likert(fmean(seen[tied] for tied in tier))
            for tier in tiers
            for item in tier
        }
        return Judgment(tiers, overall)

    def _tiers(self, seen: Mapping[str, float]) -> list[list[str]]:
        close = self.ties * self._scale()
        tiers: list[list[str]] = []
        for item in sorted(seen, key=lambda one: -seen[one]):
            if tiers and seen[tiers[-1][0]] - seen[item] <= close:
                tiers[-1].append(item)
            else:
                tiers.append([item])
        return tiers

    def _perceive(self, messages: Messages, texts: Mapping[str, str]) -> dict[str, float]:
        true = {item: self.utility(messages, text) for item, text in texts.items()}
        self._differences.extend(abs(a - b) for a, b in combinations(true.values(), 2))
        noise, scale = noise_width(self._differences, self.flips), self._scale()
        return {
            item: true[item]
            + scale * self.persona.taste(texts[item])
            + self._chance.gauss(0, 1) * noise / self.persona.care
            for item in texts
        }

    def _scale(self) -> float:
        return fmean(self._differences) if self._differences else 0.0

    def _likert(self, perceived: float) -> int:
        """Where it stands among everything seen so far, in seven equal parts."""
        below = sum(other <= perceived for other in self._perceived)
        return max(1, ceil(7 * below / len(self._perceived)))


def noise_width(differences: Sequence[float], flips: float) -> float:
    """The σ at which the mean of Φ(-d / (σ√2)) over the differences is `flips`; by bisection."""
    apart = [d for d in differences if d > 0]
    if not apart or not flips:
        return 0.0
    low, high = 0.0, 100 * max(apart)
    for _ in range(30):
        middle = (low + high) / 2
        rate = fmean(_NORMAL.cdf(-d / (middle * 2**0.5)) for d in apart)
        low, high = (middle, high) if rate < flips else (low, middle)
    return high
