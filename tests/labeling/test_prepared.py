"""Prepared statements do what the queries they are made from would, whatever they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, QuerySet
from django.test.utils import CaptureQueriesContext

from core.db import prepared
from labeling.models import LabelingTask, Slot

Make = Callable[..., LabelingTask]


@prepared.select
def slots_before(task: int, number: int, *, state: str) -> QuerySet[Slot]:
    rows = Slot.objects.filter(task=task, number__lt=number, state=state)
    return rows.select_related("task__prompt").order_by("-number")


@prepared.select
def topics_like(task: int, topic: str) -> QuerySet[Slot, tuple[int, str]]:
    rows = Slot.objects.filter(task=task, topic=topic).exclude(topic__contains="100%")
    return rows.order_by("number").values_list("number", "topic")


@prepared.update
def raise_priority(task: int, points: int) -> prepared.Change:
    return Slot.objects.filter(task=task), {"priority": F("priority") + points}


@pytest.fixture(params=["one connection", "a pool", "turned off"])
def connected(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections of one's own keep statements; of a pooler's one never knows which it is."""
    pooled = request.param == "a pool"
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", pooled)
    settings.PREPARED_STATEMENTS = request.param != "turned off"


@pytest.mark.usefixtures("connected")
def test_rows_come_with_what_was_selected_for_each_of_its_arguments(make_task: Make) -> None:
    one, other = make_task(overlap=3), make_task(overlap=3)
    for task, number in ((one, 3), (other, 2), (one, 1), (one, 4)):
        slots = slots_before(task.pk, number, state="free")
        assert [slot.number for slot in slots] == list(range(number - 1, 0, -1))
        with CaptureQueriesContext(connection) as further:
            assert all(slot.task.asked == task.asked for slot in slots)
        assert not further
    assert slots_before(one.pk, 4, state="closed") == []


@pytest.mark.usefixtures("connected")
def test_a_value_is_never_part_of_the_statement(make_task: Make) -> None:
    task = make_task(topic="it's $1 %s")
    assert topics_like(task.pk, "it's $1 %s") == [(1, "it's $1 %s")]
    assert topics_like(task.pk, "' OR true --") == []


@pytest.mark.usefixtures("connected")
def test_a_change_is_made_and_counted(make_task: Make) -> None:
    task, other = make_task(overlap=2), make_task()
    assert [raise_priority(task.pk, 2), raise_priority(task.pk, 3)] == [2, 2]
    priorities = Slot.objects.filter(task__in=[task, other]).order_by("task_id", "number")
    assert list(priorities.values_list("priority", flat=True)) == [5, 5, 0]


def test_a_connection_is_told_a_statement_once(make_task: Make, settings: Any) -> None:
    settings.PREPARED_STATEMENTS = True
    task = make_task()
    with CaptureQueriesContext(connection) as sent:
        for number in range(3):
            slots_before(task.pk, number, state="held")
    verbs = [query["sql"].split()[0] for query in sent]
    assert verbs in (["PREPARE"] + ["EXECUTE"] * 3, ["EXECUTE"] * 3)


def test_turned_off_nothing_is_prepared(make_task: Make, settings: Any) -> None:
    settings.PREPARED_STATEMENTS = False
    task = make_task()
    with CaptureQueriesContext(connection) as sent:
        slots_before(task.pk, 1, state="held")
        raise_priority(task.pk, 1)
    assert [query["sql"].split()[0] for query in sent] == ["SELECT", "UPDATE"]
