"""Episodes: read where reward models were taught to read, whatever end a policy chose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models_service.lm.generation import Generated, Sampling
from tests.trainer.algorithms.conftest import PAD, STOP
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, episodes_of
from trainer.algorithms.rollouts import gather_episodes

OTHER_END = 4


@pytest.fixture
def drawn() -> Episodes:
    """One that ended with each of two stop tokens, one that was cut."""
    responses = [
        Generated([7, STOP], [-1.0, -0.5], "stop"),
        Generated([8, 9], [-2.0, -0.1]),
        Generated([9, OTHER_END], [-1.5, -0.2], "stop"),
    ]
    sampling = Sampling(2, 1.0, 0, (STOP, OTHER_END), PAD)
    return episodes_of([[5], [6], [5, 6]], responses, sampling)


def test_a_finished_response_is_judged_at_the_end_that_was_taught(drawn: Episodes) -> None:
    assert drawn.finished == [True, False, True]
    assert [drawn.judged(i) for i in range(3)] == [[5, 7, STOP], [6, 8, 9], [5, 6, 9, STOP]]
    assert drawn.responses[2] == [9, OTHER_END], "what was said stays as it was said"
    assert drawn.lengths() == [3, 3, 4]


def test_without_a_known_end_it_is_judged_as_it_was_said(drawn: Episodes) -> None:
    assert replace(drawn, end_id=None).judged(2) == [5, 6, 9, OTHER_END]


def test_some_rows_and_all_processes_rows_are_judged_alike(drawn: Episodes) -> None:
    assert drawn.only([2, 1]).judged(0) == drawn.judged(2)
    assert drawn.only([2, 1]).finished == [True, False]
    assert gather_episodes(Crew(), drawn) == drawn
