"""Whether anybody works on rounds, and what is said where nobody does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis
from django.test import Client
from django.utils import timezone

from accounts.models import User
from models_service import worker_heartbeats
from tests.trainer.conftest import Labels
from trainer.models import TrainingRun
from trainer.rounds.control import pause
from trainer.rounds.preview import Wish, plan
from trainer.rounds.start import start_round
from trainer.runs.missing_workers import QUEUES, absence

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """No worker is heard, before or after."""
    worker_heartbeats.forget_served(QUEUES)
    yield
    worker_heartbeats.forget_served(QUEUES)


def test_a_round_that_waits_for_nobody_says_what_to_start(
    labels: Labels, rosa: User, client_of: Callable[[User], Client]
) -> None:
    labels.enough()
    worker_heartbeats.tell_served(["default"])
    round = start_round(preset="tiny")
    url = f"/api/v1/rounds/{round.pk}/"
    told = client_of(rosa).get(url).json()["absence"]
    assert "No worker serves the queue training" in told["text"]
    assert told["command"].endswith("celery --app config worker --concurrency 1 --queues training")
    assert plan(Wish("tiny", {}))["absence"] == told
    worker_heartbeats.tell_served(["training"])
    assert client_of(rosa).get(url).json()["absence"] is None
    worker_heartbeats.forget_served(QUEUES)
    pause(round=round)
    assert client_of(rosa).get(url).json()["absence"] is None, "it waits for a researcher"


def test_a_worker_too_busy_to_listen_is_there(labels: Labels) -> None:
    labels.enough()
    round = start_round(preset="tiny")
    run = TrainingRun.objects.create(
        round=round, stage="sft", seed=1, state="running", heartbeat_at=timezone.now()
    )
    assert absence() is None
    run.heartbeat_at = timezone.now() - timedelta(minutes=5)
    run.save()
    missing = absence()
    assert missing is not None and missing.command.endswith("--queues default,training")


def test_a_broker_that_is_gone_is_named(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(queues: object) -> list[str]:
        raise redis.ConnectionError

    monkeypatch.setattr(worker_heartbeats, "unserved", gone)
    missing = absence()
    assert missing is not None and "broker does not answer" in missing.text
