"""A sampling worker killed with -9 in the middle: nothing lost, nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Completion, LabelingTask, Slot
from labeling.queues import sampling
from models_service.models import ModelVersion, Promotion
from models_service.services import promote
from tests.models_service.remote import completion_server, remote, seen

__all__ = ["completion_server", "remote", "seen"]

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = """
import django
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = {database!r}
from labeling.queues import sampling
print(sampling.sample_waiting(), flush=True)
"""


def worker() -> subprocess.Popen[str]:
    script = WORKER.format(database=connection.settings_dict["NAME"])
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
    }
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_its_tasks_are_taken_over_once(
    remote: Callable[..., ModelVersion],
    seen: Callable[[], dict[str, Any]],
    make_prompt: Callable[..., Any],
) -> None:
    promote(role=Promotion.Role.POLICY, version=remote("slow"))
    for n in range(3):
        LabelingTask.objects.create(
            kind="ranking", state="sampling", prompt=make_prompt(f"Say {n}"), completions_wanted=4
        )
    killed = worker()
    deadline = time.monotonic() + 60
    while not seen()["requests"]:
        assert time.monotonic() < deadline, "the worker asked nothing"
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not Completion.objects.exists()
    assert sampling.claim_for_sampling() == [], "its claim is still young"

    old = timezone.now() - sampling.CLAIM_LASTS - timedelta(seconds=1)
    LabelingTask.objects.update(sampling_since=old)
    pair = [worker(), worker()]
    said = sorted(int(process.communicate(timeout=120)[0]) for process in pair)

    assert said == [0, 3]
    assert set(LabelingTask.objects.values_list("state", flat=True)) == {"open"}
    assert Completion.objects.count() == 12
    assert Slot.objects.count() == 3
