"""What `first_run` puts right at every start."""

from __future__ import annotations

import pytest
from django.db import connection

from models_service.services import adopt_base
from operations.management.commands.first_run import _close_gaps
from trainer.models import TrainingRound

TABLE = TrainingRound._meta.db_table


def _next_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [TABLE])
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_the_number_of_the_next_round_follows_the_last_one_after_a_crash() -> None:
    made = TrainingRound.objects.create(preset="tiny", recipe={}, start=adopt_base("tiny"))
    with connection.cursor() as cursor:  # as PostgreSQL's log does it
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [TABLE, made.pk + 32])
    _close_gaps()
    assert _next_number() == made.pk + 1
