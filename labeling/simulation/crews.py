"""Crews of drawn labelers, so that it is known who is good: what finds spammers and biases is
measured on them. Pure numpy; nothing is labeled over HTTP here.

Each task shows two completions of which one is better by a drawn margin. A labeler prefers the
better one as Bradley and Terry (1952) say, with an ability that multiplies the margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class Kind(Enum):
    """What sort of labeler one is."""

    HONEST = "honest"
    EXPERT = "expert"
    SPAMMER = "spammer"
    FAST_CLICKER = "fast clicker"
    POSITION_BIASED = "position-biased"
    DRIFTING = "drifting"

    @property
    def is_bad(self) -> bool:
        """Whether the labels are worth little."""
        return self not in (Kind.HONEST, Kind.EXPERT)


@dataclass(frozen=True)
class Habits:
    """How a labeler of a kind answers.

    Args:
        ability: What multiplies the margin; 0 is guessing, 1 is usual.
        first: The share of tasks in which the first completion is chosen without looking.
        seconds: The median time a task takes.
        drift: How far the ability has fallen at the last of their tasks, as a share.
    """

    ability: float = 1.0
    first: float = 0.0
    seconds: float = 60.0
    drift: float = 0.0


HABITS = {
    Kind.HONEST: Habits(),
    Kind.EXPERT: Habits(ability=2.5, seconds=75),
    Kind.SPAMMER: Habits(ability=0.0, seconds=45),
    Kind.FAST_CLICKER: Habits(ability=0.15, seconds=4),
    Kind.POSITION_BIASED: Habits(ability=0.6, first=0.8, seconds=40),
    Kind.DRIFTING: Habits(drift=1.0),
}
_SPREAD = 0.35  # of the logarithm of seconds, and of an honest labeler's ability


@dataclass(frozen=True)
class Comparisons:
    """N comparisons of two items by labelers, all int64 [N] but where said otherwise.

    `first_won` (bool) says whether the item shown first was preferred; `seconds` (float64) is the
    active time; `at` is the place among the labeler's own comparisons, from 0.
    """

    labelers: Integers
    firsts: Integers
    others: Integers
    first_won: Booleans
    seconds: Floats
    at: Integers

    @property
    def winners(self) -> Integers:
        """The preferred items."""
        return np.where(self.first_won, self.firsts, self.others)

    @property
    def losers(self) -> Integers:
        """The others."""
        return np.where(self.first_won, self.others, self.firsts)


def draw(
    crew: Sequence[Kind],
    *,
    each: int,
    overlap: int = 3,
    spread: float = 1.5,
    seed: int = 0,
) -> Comparisons:
    """What a crew says: `each` comparisons a labeler, every pair of items by `overlap` of
    them, as far as that goes up; a crew has at least as many.

    `spread` is the standard deviation of an item's quality, in logits.
    """
    chance = np.random.default_rng(seed)
    count = len(crew) * each
    labelers, task = _assigned(chance, len(crew), each, overlap)
    quality = chance.normal(0, spread, 2 * int(task.max() + 1))
    turned = chance.random(count) < 0.5
    firsts = 2 * task + turned
    others = 2 * task + ~turned
    habits = [HABITS[kind] for kind in crew]
    ability = _abilities(chance, crew)[labelers]
    at = np.concatenate([np.arange(each)] * len(crew))
    drift = np.array([habit.drift for habit in habits])[labelers]
    ability = ability * (1 - drift * at / max(each - 1, 1))
    logits = ability * (quality[firsts] - quality[others])
    won = chance.random(count) < 1 / (1 + np.exp(-logits))
    blind = chance.random(count) < np.array([habit.first for habit in habits])[labelers]
    usual = np.array([habit.seconds for habit in habits])[labelers]
    return Comparisons(
        labelers,
        firsts.astype(np.int64),
        others.astype(np.int64),
        won | blind,
        usual * np.exp(chance.normal(0, _SPREAD, count)),
        at,
    )


def mixed(size: int, *, bad: float = 0.2, kinds: Sequence[Kind] = (), seed: int = 0) -> list[Kind]:
    """A crew of honest labelers with a share of bad ones, the kinds in turn, in drawn order."""
    among = kinds or (Kind.SPAMMER, Kind.FAST_CLICKER, Kind.POSITION_BIASED)
    count = round(bad * size)
    crew = [among[n % len(among)] for n in range(count)] + [Kind.HONEST] * (size - count)
    return [crew[at] for at in np.random.default_rng(seed).permutation(size)]


def _assigned(
    chance: np.random.Generator, crew: int, each: int, overlap: int
) -> tuple[Integers, Integers]:
    """Labelers in blocks of `each`, and which task each of their comparisons is of.

    As many tasks as labelers are dealt out at once, `overlap` times, each time turned further: so
    nobody has a task twice, and everybody meets many others.
    """
    rounds = -(-each // overlap)
    orders = chance.permuted(np.tile(np.arange(crew), (rounds, 1)), axis=1)
    turns = chance.permuted(np.tile(np.arange(crew), (rounds, 1)), axis=1)[:, :overlap, None]
    seats = (np.arange(crew) + turns) % crew
    who = np.take_along_axis(orders[:, None, :], seats, axis=2)
    tasks = np.broadcast_to(np.arange(rounds)[:, None, None] * crew + np.arange(crew), who.shape)
    order = np.lexsort((chance.random(who.size), who.reshape(-1)))
    dealt = order.reshape(crew, -1)[:, :each].reshape(-1)
    return who.reshape(-1)[dealt], tasks.reshape(-1)[dealt]


def _abilities(chance: np.random.Generator, crew: Sequence[Kind]) -> Floats:
    usual = np.array([HABITS[kind].ability for kind in crew])
    return usual * np.exp(chance.normal(0, _SPREAD, len(crew)))
