"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import redis
from django.test import Client

from config.celery import app, report_alive
from core import __version__
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
    app.amqp.queues.select(QUEUES)


def test_healthz_asks_nothing_else(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "version": __version__}


@pytest.mark.django_db
def test_readyz_is_200_once_every_queue_has_a_worker(client: Client, silence: redis.Redis) -> None:
    _work_on("default", "sampling", "training")
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "broker": "ok", "workers": "ok"}


@pytest.mark.django_db
def test_readyz_names_the_queue_without_a_worker(client: Client, silence: redis.Redis) -> None:
    _work_on("default", "sampling")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "training" in response.json()["workers"]
    assert "sampling" not in response.json()["workers"]


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
