"""`manage.py first_run`: what an installation needs before it can serve; safe to repeat."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from accounts.models import Role, User
from accounts.services import create_user
from labeling.demo.seed import lay_ground, seed_demo
from models_service.models import ModelVersion
from models_service.services import adopt_base
from trainer.evaluation.model_checks import measured
from trainer.models import TrainingRound

_DEMO_ACCOUNTS = {
    "admin": Role.ADMIN,
    "researcher": Role.RESEARCHER,
    "labeler1": Role.LABELER,
    "labeler2": Role.LABELER,
}


class Command(BaseCommand):
    help = (
        "Migrate the database, collect static files, write the base model's checkpoint, add form, "
        "queues and guidelines and, on the first run only, demo prompts and accounts. "
        "Example: manage.py first_run --no-demo"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="no demo prompts and accounts")
        parser.add_argument(
            "--no-static", action="store_true", help="static files were collected into the image"
        )

    def handle(self, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        if not options["no_static"]:
            _collect_static()
        _close_gaps()
        lay_ground()
        self.stdout.write("The database is up to date; preparing the base model ...")
        self.stdout.write(f"Base model: {_base().name}")
        if not options["no_demo"]:
            self._show(_first_accounts())

    def _show(self, passwords: dict[str, str]) -> None:
        if passwords:
            self.stdout.write("\nAccounts of this installation; the passwords are shown only now:")
            for name, password in passwords.items():
                self.stdout.write(f"  {name:<12} {password}")
            self.stdout.write("")


@transaction.atomic
def _close_gaps() -> None:
    """Let the number of the next round follow that of the last.

    PostgreSQL logs a sequence 32 numbers ahead, so that after a crash round 4 would be followed by
    round 37. The lock waits for whoever is making a round.
    """
    table, column = TrainingRound._meta.db_table, TrainingRound._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence(%s, %s), coalesce(max({column}), 0) + 1, false)"  # noqa: S608
            f" FROM {table}",
            [table, column],
        )


def _base() -> ModelVersion:
    """The base model, taken up now if it is new. Raises CommandError saying why it cannot be."""
    try:
        return adopt_base(
            settings.BASE_MODEL, check=measured, options=settings.BASE_TEMPLATE_OPTIONS
        )
    except Exception as error:
        from models_service.lm.checkpoint import CheckpointError  # PyTorch, only where it is needed

        if isinstance(error, CheckpointError):
            raise CommandError(f"BASE_MODEL cannot be taken up: {error}") from error
        raise


def _collect_static() -> None:
    """Collect the static files unless none has changed since they were last collected."""
    files = [
        (name, storage.size(name), storage.get_modified_time(name).isoformat())
        for finder in get_finders()
        for name, storage in finder.list([])
    ]
    digest = hashlib.sha256(repr(sorted(files)).encode()).hexdigest()
    stamp = settings.DATA_DIR / "static.sha256"
    if not stamp.exists() or stamp.read_text() != digest:
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(digest)


@transaction.atomic
def _first_accounts() -> dict[str, str]:
    """Demo prompts and accounts for an installation without any; the passwords by name."""
    if User.objects.exists():
        return {}
    seed_demo()
    return {name: create_user(name=name, role=role)[1] for name, role in _DEMO_ACCOUNTS.items()}
