"""Records that repeat are counted instead of written."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from core import log_repeats


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(log_repeats, "time", clock)
    return clock


@pytest.fixture
def written() -> Iterator[list[str]]:
    """What a logger with the filter wrote."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    handler.addFilter(log_repeats.CountRepeats(few=2))
    logger = logging.getLogger("test.repeats")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)


def test_a_few_are_written_and_the_next_one_says_how_many_were_not(
    clock: Clock, written: list[str]
) -> None:
    logger = logging.getLogger("test.repeats")
    for number in range(5000):
        logger.error("No space for %s", number)
    assert written == ["No space for 0", "No space for 1"]
    clock.now = 61
    logger.error("No space for %s", "you")
    assert written[2:] == ["No space for you (4,998 more like this were left out)"]
    clock.now = 122
    logger.error("No space for %s", "them")
    assert written[3:] == ["No space for them"]


def test_other_lines_and_other_errors_are_written(clock: Clock, written: list[str]) -> None:
    logger = logging.getLogger("test.repeats")
    for error in (OSError(), KeyError()):
        for _ in range(3):
            logger.error("It failed", exc_info=error)
    logger.warning("Something else")
    for _ in range(5):
        logger.info("A request")
    assert written == ["It failed"] * 4 + ["Something else"] + ["A request"] * 5
