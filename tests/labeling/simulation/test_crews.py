"""A drawn crew does what its kinds say."""

from __future__ import annotations

from collections import Counter

import numpy as np

from labeling.simulation.crews import Comparisons, Kind, draw, mixed

CREW = [Kind.HONEST, Kind.EXPERT, Kind.SPAMMER, Kind.FAST_CLICKER, Kind.POSITION_BIASED,
        Kind.DRIFTING]  # fmt: skip


def agreed(drawn: Comparisons, labeler: int, half: int) -> float:
    """How often a labeler says what most of the others do, in the first or second half."""
    low = np.minimum(drawn.firsts, drawn.others)
    votes = np.where(drawn.winners == low, 1, -1)
    totals = np.bincount(low, votes)
    middle = drawn.at.max() / 2
    mine = (drawn.labelers == labeler) & ((drawn.at > middle) == bool(half))
    rest = totals[low[mine]] - votes[mine]
    return float((votes[mine] * rest > 0)[rest != 0].mean())


def test_everybody_labels_as_much_and_nobody_the_same_twice() -> None:
    drawn = draw(CREW * 2, each=90, overlap=3)
    assert set(Counter(drawn.labelers.tolist()).values()) == {90}
    tasks = np.minimum(drawn.firsts, drawn.others) // 2
    assert len(set(zip(drawn.labelers.tolist(), tasks.tolist(), strict=True))) == len(tasks)
    assert set(np.bincount(tasks).tolist()) == {3}
    again = draw(CREW * 2, each=90, overlap=3)
    assert (again.winners == drawn.winners).all()


def test_habits_show() -> None:
    crew = [*CREW * 8, *[Kind.EXPERT] * 12]
    drawn = draw(crew, each=400, overlap=5, seed=4)
    early, late = (
        [np.mean([agreed(drawn, of, half) for of in range(kind, 48, 6)]) for kind in range(6)]
        for half in (0, 1)
    )
    honest, expert, spammer, fast, biased, drifting = early
    assert expert > honest > fast > biased > spammer - 0.02
    assert spammer < 0.52
    assert drifting - late[5] > 0.05
    first = [drawn.first_won[drawn.labelers == labeler].mean() for labeler in range(6)]
    assert first[4] > 0.8 and all(abs(share - 0.5) < 0.05 for share in first[:4])
    seconds = [np.median(drawn.seconds[drawn.labelers == labeler]) for labeler in range(6)]
    assert seconds[3] < 6 < 30 < min(seconds[:3])


def test_a_mixed_crew_has_its_share_of_bad_ones() -> None:
    crew = mixed(20, bad=0.2, seed=1)
    assert sum(kind.is_bad for kind in crew) == 4
    assert {kind for kind in crew if kind.is_bad} == {
        Kind.SPAMMER, Kind.FAST_CLICKER, Kind.POSITION_BIASED,
    }  # fmt: skip
    assert mixed(20, seed=1) == crew != mixed(20, seed=2)
