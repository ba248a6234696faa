"""Figure 1 and its neighbours on fixed labels, against numbers worked out by hand."""

from __future__ import annotations

from math import log
from typing import Any

import pytest

from labeling.human_evaluation.results import Judged
from labeling.intervals import Clusters, rate
from trainer.evaluation.results import verdicts
from trainer.evaluation.summaries import point

BASE, SFT, PPO = 1, 2, 3


def labels(
    outcomes: list[tuple[int, int, float]],
    *,
    version: int,
    against: int = SFT,
    group: str = "training",
    start: int = 0,
    **looks: Any,
) -> list[Judged]:
    """Comparisons (prompt, labeler, outcome of `version`) as the database would give them."""
    rows = []
    for number, (prompt, labeler, outcome) in enumerate(outcomes, start=start):
        ranks = {1.0: (1, 2), 0.5: (1, 1), 0.0: (2, 1)}[outcome]
        for side, (who, rank) in enumerate(zip((version, against), ranks, strict=True)):
            flags = looks.get("flags", ((), ()))[side]
            rows.append(
                Judged(
                    ranking=number,
                    prompt=prompt,
                    use_case="chat" if prompt % 2 else "extract",
                    labeler=labeler,
                    group=group,
                    completion=2 * number + side,
                    version=who,
                    rank=rank,
                    overall=looks.get("overall", (5, 3))[side],
                    flags=list(flags),
                    tokens=looks.get("tokens", (10, 10))[side],
                    finished=True,
                )
            )
    return rows


WON = [(1, 1, 1.0), (2, 1, 1.0), (3, 2, 0.5), (4, 2, 1.0)]
LOST = [(1, 1, 0.0), (2, 1, 0.5), (3, 2, 0.0), (4, 2, 0.0)]


def test_figure_1_by_hand() -> None:
    rows = labels(LOST, version=BASE) + labels(WON, version=PPO, start=10)
    found = verdicts(rows, [BASE, SFT, PPO], SFT, [])["training"]
    assert (found.labels, found.labelers, found.prompts) == (8, 2, 4)
    assert "win_rate" not in found.versions[SFT]
    for version, outcomes in ((PPO, [1.0, 1.0, 0.5, 1.0]), (BASE, [0.0, 0.5, 0.0, 0.0])):
        wanted = rate(outcomes, Clusters.of([1, 2, 3, 4], [1, 1, 2, 2]))
        figure = found.versions[version]["win_rate"]
        assert wanted is not None
        assert figure["value"] == pytest.approx(sum(outcomes) / 4)
        assert (figure["low"], figure["high"], figure["n"]) == (wanted.low, wanted.high, 4)
        drawn = point("x", figure)
        assert (drawn.value, drawn.low, drawn.n) == (figure["value"], figure["low"], 4)
    ppo = found.versions[PPO]
    assert (ppo["wins"], ppo["ties"], ppo["losses"]) == (3, 1, 0)


def test_groups_are_told_apart() -> None:
    rows = labels(WON, version=PPO) + labels(LOST, version=PPO, group="held_out", start=10)
    found = verdicts(rows, [SFT, PPO], SFT, [])
    assert list(found) == ["training", "held_out"]
    assert found["training"].versions[PPO]["win_rate"]["value"] == pytest.approx(0.875)
    assert found["held_out"].versions[PPO]["win_rate"]["value"] == pytest.approx(0.125)


def test_strength_is_log_odds_over_the_baseline() -> None:
    rows = labels(WON, version=PPO)
    strengths = verdicts(rows, [BASE, SFT, PPO], SFT, [])["training"].versions
    assert strengths[SFT]["bradley_terry"]["value"] == 0
    # 3.5 of 4 won, and the virtual tie: 4 of 5
    assert strengths[PPO]["bradley_terry"]["value"] == pytest.approx(log(4))
    assert "bradley_terry" not in strengths[BASE]


def test_quality_length_and_flags() -> None:
    rows = labels(
        [(1, 1, 1.0), (2, 1, 1.0)],
        version=PPO,
        overall=(6, 2),
        tokens=(30, 10),
        flags=(("opinion",), ()),
    )
    found = verdicts(rows, [SFT, PPO], SFT, ["opinion", "hallucination"])["training"].versions
    assert found[PPO]["likert"]["value"] == 6 and found[SFT]["likert"]["value"] == 2
    assert found[PPO]["response_tokens"]["value"] == 30
    always = found[PPO]["flag_opinion"]
    assert (always["value"], always["high"], always["n"]) == (1.0, 1.0, 2)
    assert always["low"] < 0.1  # two answers prove little
    assert found[PPO]["flag_opinion_rise"]["value"] == 1.0
    assert found[SFT]["flag_opinion"]["value"] == 0.0
    assert found[PPO]["flag_hallucination_rise"]["value"] == 0.0
    assert "flag_opinion_rise" not in found[SFT]


def test_each_use_case_has_its_own_rate() -> None:
    found = verdicts(labels(WON, version=PPO), [SFT, PPO], SFT, [])["training"].versions[PPO]
    assert found["win_rate_in_chat"]["value"] == pytest.approx(0.75)
    assert found["win_rate_in_extract"]["value"] == 1.0 and found["win_rate_in_extract"]["n"] == 2
    chat = rate([1.0, 0.5], Clusters.of([1, 3], [1, 2]))
    assert chat is not None
    assert found["win_rate_in_chat"]["low"] == pytest.approx(chat.low)


def test_nothing_said_is_no_verdict() -> None:
    assert verdicts([], [SFT, PPO], SFT, ["opinion"]) == {}
