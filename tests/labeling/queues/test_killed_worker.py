"""A sampling worker that is killed with -9 while it holds tasks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F

from labeling.models import Completion, LabelingTask, Queue, Slot
from labeling.queues import queues, sampling
from models_service.services import adopt_base

# Claims its tasks as a worker does, then dies as the kernel or an operator would have it.
WORKER = """
import os, signal, django
django.setup()
from labeling.queues import completions as drawing, sampling
sampling.draw = lambda tasks: os.kill(os.getpid(), signal.SIGKILL)
sampling.sample_waiting()
"""


@pytest.mark.django_db(transaction=True)
def test_its_tasks_are_taken_up_again_once(make_prompt: Callable[..., Any]) -> None:
    adopt_base("tiny")
    Queue.objects.create(kind="ranking", purpose="training", ready=3)
    for n in range(3):
        make_prompt(f"Say {n}")
    waiting = queues.refill()
    assert _run_worker() == -signal.SIGKILL
    claimed = LabelingTask.objects.filter(sampling_since__isnull=False)
    assert claimed.count() == len(waiting)
    assert queues.refill() == []  # whoever claimed them may still be at work

    claimed.update(sampling_since=F("sampling_since") - sampling.CLAIM_LASTS - timedelta(seconds=1))
    assert queues.refill() == waiting
    assert sampling.sample_waiting() == len(waiting)
    assert sampling.sample_waiting() == 0
    assert Completion.objects.count() == 4 * len(waiting)
    assert Slot.objects.count() == len(waiting)


def _run_worker() -> int:
    name = connection.settings_dict["NAME"]
    environment = os.environ | {
        "DATABASE_URL": settings.DATABASE_URL.replace("/tutelage?", f"/{name}?"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return subprocess.run([sys.executable, "-c", WORKER], env=environment).returncode
