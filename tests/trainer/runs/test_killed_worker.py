"""A worker killed with -9 in the middle of training: the run is taken up again, once, and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer.models import Metric, TrainingRun
from trainer.rounds.start import start_round
from trainer.rounds.steps import begin, freeze_labels, open_run, take_up_abandoned
from trainer.runs import runner

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = """
import django
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = {database!r}
from trainer.runs import runner
print("executed" if runner.execute({run}) else "nothing to do", flush=True)
"""


def worker(run: TrainingRun) -> subprocess.Popen[str]:
    script = WORKER.format(database=connection.settings_dict["NAME"], run=run.pk)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )


def wait_for(what: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_the_run_is_taken_up_once_and_finishes(
    labels: Labels, small: dict[str, Any], settings: Any
) -> None:
    labels.enough()
    sft = small["sft"] | {"epochs": 60, "checkpoint_every": 1}
    round = start_round(preset="tiny", recipe={"stages": ["sft"], "sft": sft})
    begin(round=round)
    freeze_labels(round=round)
    round.refresh_from_db()
    run = open_run(round=round, stage="sft")
    assert run is not None

    first = worker(run)
    wait_for(lambda: TrainingRun.objects.get(pk=run.pk).step >= 3)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    run.refresh_from_db()
    killed_at = run.step
    assert run.state == "running", "a killed worker records nothing"

    assert runner.execute(run.pk) is False, "its heartbeat is still young"
    settings.RUN_LEASE_SECONDS = 0
    assert take_up_abandoned() == [run.pk]
    settings.RUN_LEASE_SECONDS = 30
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=run.created_at.replace(year=2020))
    # The message comes twice, to two workers at the same time.
    pair = [worker(run), worker(run)]
    said = sorted(process.communicate(timeout=120)[0].strip() for process in pair)

    assert said == ["executed", "nothing to do"]
    run.refresh_from_db()
    # What the first one saved was progress, so its death counts no more.
    assert (run.state, run.attempts, len(run.executions)) == ("finished", 1, 2)
    assert run.output is not None and run.output.folder.exists()
    assert ModelVersion.objects.filter(kind="sft").count() == 1
    steps = list(Metric.objects.filter(run=run).values_list("step", flat=True))
    assert steps == list(range(1, run.total_steps + 1))
    assert killed_at < run.total_steps
