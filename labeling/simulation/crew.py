"""A crew of simulated labelers at work: each in a thread of its own, until the order is filled."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

from labeling.simulation.answers import demonstration
from labeling.simulation.browser import Browser
from labeling.simulation.judge import FLIPS, Judge, Persona, Utility

# Long enough that waiting labelers leave the machine to the sampling worker.
_PAUSE_SECONDS = 2.0

Done = Callable[[str], None]


class OutOfWork(Exception):
    """Nothing came into the queue for as long as the crew was willing to wait."""


@dataclass(frozen=True)
class Order:
    """What is wanted, and how it is judged.

    Args:
        labels: How many of each kind of task, all labelers together.
        flips: The share of pairs each labeler orders wrongly.
        patience: Seconds without any work after which the crew gives up.
    """

    labels: Mapping[str, int]
    utility: Utility
    flips: float = FLIPS
    seed: int = 0
    patience: float = 600.0


def work(
    url: str,
    crew: Sequence[tuple[Persona, str]],
    order: Order,
    done: Done = lambda kind: None,
) -> dict[str, dict[str, int]]:
    """Log the labelers (with their passwords) in and let them label.

    Returns how many labels of each kind each has made. Raises OutOfWork, LoginFailed and
    httpx.HTTPError.
    """
    board = _Board(order, done)
    with ThreadPoolExecutor(len(crew)) as pool:
        shifts = [pool.submit(_shift, url, persona, password, board) for persona, password in crew]
        counts = [shift.result() for shift in shifts]
    board.check()
    return {persona.name: dict(count) for (persona, _), count in zip(crew, counts, strict=True)}


class _Board:
    """What is still to be done, shared by the threads. Whoever works takes a ticket first."""

    def __init__(self, order: Order, done: Done) -> None:
        self.order = order
        self.failed = Event()
        self._tickets = Counter(order.labels)
        self._unfinished = sum(order.labels.values())
        self._done, self._lock = done, Lock()
        self._last_work = time.monotonic()

    def kinds(self) -> list[str]:
        """Kinds with tickets left, most first."""
        return [kind for kind, left in self._tickets.most_common() if left > 0]

    def take(self, kind: str) -> bool:
        """Take a ticket, if another thread has not been faster."""
        with self._lock:
            if self._tickets[kind] <= 0:
                return False
            self._tickets[kind] -= 1
            return True

    def put_back(self, kind: str) -> None:
        """Nothing of this kind waits for that labeler now."""
        with self._lock:
            self._tickets[kind] += 1

    def finished(self, kind: str) -> None:
        """One label more."""
        with self._lock:
            self._unfinished -= 1
            self._last_work = time.monotonic()
            self._done(kind)

    def goes_on(self) -> bool:
        """Whether there is anything left worth waiting for."""
        waited = time.monotonic() - self._last_work
        return self._unfinished > 0 and waited < self.order.patience and not self.failed.is_set()

    def check(self) -> None:
        """Raise OutOfWork if something is left."""
        if self._unfinished:
            missing = ", ".join(f"{self._tickets[kind]} {kind}" for kind in self.kinds())
            raise OutOfWork(f"No task came for {self.order.patience:.0f} s; missing: {missing}.")


def _shift(url: str, persona: Persona, password: str, board: _Board) -> Counter[str]:
    """One labeler's work until the order is filled; a failure here stops the others too."""
    order = board.order
    judge = Judge(order.utility, persona, flips=order.flips, seed=order.seed)
    made: Counter[str] = Counter()
    try:
        with Browser(url) as browser:
            browser.log_in(persona.name, password)
            while board.goes_on():
                kind = _work_once(browser, judge, board)
                if kind is None:
                    time.sleep(_PAUSE_SECONDS)
                else:
                    made[kind] += 1
    except BaseException:
        board.failed.set()
        raise
    return made


def _work_once(browser: Browser, judge: Judge, board: _Board) -> str | None:
    """Make one label of any kind that waits; returns its kind."""
    for kind in board.kinds():
        if not board.take(kind):
            continue
        if _label(browser, judge, kind):
            board.finished(kind)
            return kind
        board.put_back(kind)
    return None


def _label(browser: Browser, judge: Judge, kind: str) -> bool:
    assignment = browser.claim(kind)
    if assignment is None:
        return False
    body = _LABELS[kind](assignment, judge)
    browser.save_draft(assignment, body)
    browser.submit(assignment, body)
    return True


def _ranking(assignment: Mapping[str, Any], judge: Judge) -> dict[str, Any]:
    texts = {completion["id"]: completion["text"] for completion in assignment["completions"]}
    judgment = judge.judge(assignment["prompt"]["messages"], texts)
    ratings = {
        item: {"overall": overall, "flags": ["fails_task"] if overall == 1 else []}
        for item, overall in judgment.overall.items()
    }
    return {"ranking": judgment.tiers, "ratings": ratings, "active_seconds": 1}


def _demonstration(assignment: Mapping[str, Any], judge: Judge) -> dict[str, Any]:
    messages = assignment["prompt"]["messages"]
    return {"text": demonstration(messages, judge.utility), "active_seconds": 1}


_LABELS = {"ranking": _ranking, "demonstration": _demonstration}
