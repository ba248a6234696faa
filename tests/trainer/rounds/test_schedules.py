"""Schedules: when they are due, what they start, what they say when they could not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from core.problems import Problem
from tests.trainer.conftest import Labels
from trainer.models import SavedRecipe, Schedule, TrainingRound
from trainer.rounds import schedules
from trainer.rounds.control import cancel
from trainer.rounds.due_times import in_words, next_start
from trainer.rounds.saved_recipes import save_recipe
from trainer.rounds.schedules import add_schedule, pause_schedule, resume_schedule, start_due

ClientOf = Callable[[User], Client]
WEDNESDAY = datetime(2026, 1, 28, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("weekday", "at", "after", "due"),
    [
        (0, time(6), WEDNESDAY, datetime(2026, 2, 2, 6, tzinfo=UTC)),
        (2, time(13), WEDNESDAY, datetime(2026, 1, 28, 13, tzinfo=UTC)),
        (2, time(12), WEDNESDAY, datetime(2026, 2, 4, 12, tzinfo=UTC)),
        (None, time(6), WEDNESDAY, datetime(2026, 1, 29, 6, tzinfo=UTC)),
        (
            None,
            time(6),
            datetime(2026, 3, 28, 12, tzinfo=BERLIN),
            datetime(2026, 3, 29, 4, tzinfo=UTC),
        ),
    ],
)
def test_the_next_start(weekday: int | None, at: time, after: datetime, due: datetime) -> None:
    assert next_start(weekday=weekday, at=at, after=after) == due


def test_it_is_said_in_words() -> None:
    assert in_words(weekday=0, at=time(6), after_rankings=None) == "Every Monday at 06:00"
    assert in_words(weekday=None, at=time(18, 30), after_rankings=None) == "Every day at 18:30"
    assert in_words(weekday=None, at=None, after_rankings=500) == "After every 500 new rankings"


@pytest.fixture
def recipe(labels: Labels) -> SavedRecipe:
    labels.enough()
    return save_recipe(name="Weekly", preset="tiny")


def later(**delta: int) -> datetime:
    return timezone.now() + timedelta(**delta)


def test_a_round_starts_when_its_time_has_come_and_once(recipe: SavedRecipe, rosa: User) -> None:
    schedule = add_schedule(recipe=recipe, at=time(6), weekday=0, by=rosa)
    assert start_due(timezone.now()) == []
    due = later(days=8)
    (round,) = start_due(due)
    assert start_due(due) == []
    schedule.refresh_from_db()
    assert (schedule.last_round, round.started_by, schedule.failure) == (round, rosa, "")
    assert str(round).startswith("Weekly, ")
    assert schedule.next_at
    assert schedule.next_at > due


def test_a_schedule_that_is_paused_while_it_comes_due_starts_nothing(
    recipe: SavedRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = add_schedule(recipe=recipe, at=time(6))
    due = schedules._due(later(days=2))
    assert due == [schedule]
    pause_schedule(schedule=schedule)
    monkeypatch.setattr(schedules, "_due", lambda now: due)  # read before the pause
    assert start_due(later(days=2)) == []


def test_a_round_starts_after_so_many_new_rankings(recipe: SavedRecipe, labels: Labels) -> None:
    add_schedule(recipe=recipe, after_rankings=3)
    for _ in range(2):
        labels.ranking()
    assert start_due(timezone.now()) == []
    labels.ranking()
    assert len(start_due(timezone.now())) == 1
    assert start_due(timezone.now()) == []


def test_a_start_that_cannot_be_made_leaves_its_reason(recipe: SavedRecipe) -> None:
    SavedRecipe.objects.update(recipe=recipe.recipe | {"labels": {"since": "2100-01-01"}})
    schedule = add_schedule(recipe=recipe, at=time(6))
    assert start_due(later(days=2)) == []
    schedule.refresh_from_db()
    assert "not enough labels" in schedule.failure
    assert not TrainingRound.objects.exists()
    SavedRecipe.objects.update(recipe=recipe.recipe)
    assert len(start_due(later(days=4))) == 1
    schedule.refresh_from_db()
    assert schedule.failure == ""


def test_rounds_of_one_schedule_do_not_pile_up(recipe: SavedRecipe) -> None:
    schedule = add_schedule(recipe=recipe, at=time(6))
    (round,) = start_due(later(days=2))
    assert start_due(later(days=4)) == []
    schedule.refresh_from_db()
    assert "is not over" in schedule.failure
    cancel(round=round)
    assert len(start_due(later(days=6))) == 1


def test_a_paused_schedule_starts_nothing_and_misses_what_it_misses(recipe: SavedRecipe) -> None:
    schedule = add_schedule(recipe=recipe, at=time(6))
    pause_schedule(schedule=schedule)
    assert start_due(later(days=2)) == []
    Schedule.objects.update(next_at=later(days=-2))
    schedule.refresh_from_db()
    resume_schedule(schedule=schedule)
    assert start_due(timezone.now()) == []
    assert len(start_due(later(days=2))) == 1


@pytest.mark.parametrize("when", [{}, {"at": time(6), "after_rankings": 3}])
def test_a_schedule_is_of_one_kind(recipe: SavedRecipe, when: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="either a time of day or a number"):
        add_schedule(recipe=recipe, **when)


def test_researchers_keep_schedules_over_the_api(
    recipe: SavedRecipe, rosa: User, ada: User, client_of: ClientOf
) -> None:
    def post(user: User, path: str = "", **body: Any) -> Any:
        url = f"/api/v1/schedules/{path}"
        return client_of(user).post(url, json.dumps(body), "application/json")

    body = {"recipe": recipe.pk, "weekday": 0, "at": "06:00"}
    assert post(ada, **body).status_code == 403
    made = post(rosa, **body)
    assert made.status_code == 201
    assert made.json()["words"] == "Every Monday at 06:00"
    pk = made.json()["id"]
    assert post(rosa, f"{pk}/pause/").json()["paused"] is True
    assert post(rosa, f"{pk}/resume/").json()["paused"] is False
    assert post(rosa, recipe=recipe.pk, weekday=9, at="06:00").status_code == 400
    assert client_of(rosa).delete(f"/api/v1/schedules/{pk}/").status_code == 204
    assert client_of(rosa).get("/api/v1/schedules/").json() == []
