"""What all commands do where the database is not ready for them."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import connection


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE models_service_modelversion RENAME TO of_another_time",
        "ALTER TABLE models_service_modelversion RENAME COLUMN kind TO of_another_time",
    ],
)
def test_a_database_of_another_version_is_told_in_a_sentence(change: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(change)
    with pytest.raises(CommandError, match=r"manage\.py migrate"):
        call_command("check_model", "anything")
