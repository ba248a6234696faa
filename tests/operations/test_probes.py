"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest
import redis
from celery.signals import beat_init, before_task_publish
from django.test import Client

from accounts.services import create_user
from config import celery
from config.celery import app, report_alive
from core import __version__
from models_service import worker_heartbeats
from operations import readiness
from operations.queues import QUEUES, forget_workers


@pytest.fixture
def silence(settings: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """The broker, with no worker heard before or after."""
    with redis.Redis.from_url(settings.REDIS_URL) as broker:  # type: ignore[attr-defined]
        forget_workers()
        yield broker
        forget_workers()


def _work_on(*queues: str) -> None:
    app.amqp.queues.select(queues)
    report_alive()
    worker_heartbeats.tell_beat()
    app.amqp.queues.select(QUEUES)


def test_healthz_asks_nothing_else(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "version": __version__}


@pytest.mark.django_db
def test_readyz_is_200_once_every_queue_has_a_worker(client: Client, silence: redis.Redis) -> None:
    _work_on("default", "sampling", "training")
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "database": "ok",
        "broker": "ok",
        "beat": "ok",
        "workers": "ok",
    }


@pytest.mark.django_db
def test_readyz_names_the_queue_without_a_worker(client: Client, silence: redis.Redis) -> None:
    _work_on("default", "sampling")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "training" in response.json()["workers"]
    assert "sampling" not in response.json()["workers"]


@pytest.mark.django_db
def test_readyz_knows_that_beat_is_silent(client: Client, silence: redis.Redis) -> None:
    _work_on("default", "sampling", "training")
    silence.delete("tutelage:beat")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "nothing starts by itself" in response.json()["beat"]


@pytest.mark.django_db
def test_beat_is_heard_with_all_that_it_sends(silence: redis.Redis) -> None:
    beat_init.send(sender=None)
    assert worker_heartbeats.beat_is_silent()
    before_task_publish.send(sender="labeling.tasks.refill_queues")
    assert not worker_heartbeats.beat_is_silent()
    before_task_publish.disconnect(celery._tell_beat)


@pytest.mark.django_db
def test_a_worker_whose_pool_stands_still_is_not_heard(
    client: Client, silence: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        monkeypatch.setattr(celery, "_pool_processes", lambda: [child.pid])
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        _work_on("default", "sampling", "training")
        assert "default" in client.get("/readyz").json()["workers"]
        child.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, child.pid, os.WCONTINUED)
        _work_on("default", "sampling", "training")
        assert client.get("/readyz").status_code == 200
        child.kill()


@pytest.mark.django_db
def test_readyz_waits_for_nothing_that_hangs_and_begins_it_once(
    client: Client, silence: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    _work_on("default", "sampling", "training")
    thaw, begun = threading.Event(), []

    def _frozen() -> None:
        begun.append(1)
        thaw.wait()

    monkeypatch.setattr(readiness, "_database", _frozen)
    monkeypatch.setattr(readiness, "DEADLINE_SECONDS", 0.2)
    for _ in range(3):
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["database"] == "no answer within 0.2 seconds"
    assert len(begun) == 1
    thaw.set()
    readiness._hanging["database"].result()
    monkeypatch.undo()
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    "outside", [{"REMOTE_ADDR": "203.0.113.7"}, {"HTTP_X_FORWARDED_FOR": "203.0.113.7"}]
)
def test_outsiders_are_told_yes_or_no(
    client: Client, silence: redis.Redis, outside: dict[str, str]
) -> None:
    assert client.get("/readyz", **outside).json() == {"status": "not ready"}  # type: ignore[arg-type]
    _work_on("default", "sampling", "training")
    assert client.get("/readyz", **outside).json() == {"status": "ok"}  # type: ignore[arg-type]
    for role, knows in (("labeler", False), ("researcher", True), ("admin", True)):
        client.force_login(create_user(name=role, role=role)[0])
        told = client.get("/readyz", **outside).json()  # type: ignore[arg-type]
        assert ("workers" in told) is knows


@pytest.mark.django_db
def test_a_silent_worker_is_forgotten(client: Client, silence: redis.Redis) -> None:
    _work_on("training")
    assert 0 < silence.ttl("tutelage:alive:training") <= 10  # type: ignore[operator]


@pytest.mark.django_db
def test_readyz_says_that_the_broker_is_gone(
    client: Client, settings: pytest.FixtureRequest
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
    settings.REDIS_URL = address  # type: ignore[attr-defined]
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "ConnectionError" in response.json()["broker"]


@pytest.mark.django_db
def test_metrics_count_requests_labels_and_messages(client: Client) -> None:
    client.get("/healthz")
    text = client.get("/metrics").content.decode()
    assert 'tutelage_request_seconds_count{method="GET",status="200",view="healthz"}' in text
    assert 'tutelage_labels{kind="ranking"} 0.0' in text
    assert 'tutelage_queue_messages{queue="sampling"}' in text


@pytest.mark.django_db
def test_an_invented_method_is_no_series_of_its_own(client: Client) -> None:
    client.generic("BREW", "/healthz")
    text = client.get("/metrics").content.decode()
    assert "BREW" not in text
    assert 'method="other"' in text
