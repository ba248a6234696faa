"""A worker told to stop in the middle of training, again and again: no stop counts as a death."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from core.jobs import MOST_DEATHS
from tests.trainer.conftest import Labels
from tests.workers import start_worker
from trainer.models import Metric, TrainingRun
from trainer.rounds.start import start_round
from trainer.rounds.steps import begin, freeze_labels, open_run
from trainer.tasks import execute_run

pytestmark = pytest.mark.django_db(transaction=True)


def training_worker() -> subprocess.Popen[bytes]:
    """As `up` starts it: the worker's main process, and one beside it that trains."""
    return start_worker("training", "--pool", "prefork", "--concurrency", "1")


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_ordinary_restarts_fail_no_run_and_lose_no_step(
    labels: Labels, small: dict[str, Any]
) -> None:
    labels.enough()
    sft = small["sft"] | {"epochs": 400, "checkpoint_every": 1000}
    round = start_round(preset="tiny", recipe={"stages": ["sft"], "sft": sft})
    begin(round=round)
    freeze_labels(round=round)
    round.refresh_from_db()
    run = open_run(round=round, stage="sft")
    assert run is not None

    def now() -> TrainingRun:
        return TrainingRun.objects.get(pk=run.pk)

    execute_run.delay(run.pk)
    reached = 0
    for _ in range(MOST_DEATHS):
        worker = training_worker()
        try:
            wait_for(lambda: now().step > reached)  # noqa: B023 - called before it changes
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        finally:
            worker.kill()
            worker.wait()
        stopped = now()
        assert (stopped.state, stopped.worker, stopped.attempts) == ("queued", "", 0)
        assert (run.work / f"state-{stopped.step}").exists()
        reached = stopped.step
    assert len(now().executions) == MOST_DEATHS, "each took it up at once, no lease ran out"
    assert reached < now().total_steps
    steps = list(Metric.objects.filter(run=run).values_list("step", flat=True))
    assert steps == list(range(1, reached + 1))
