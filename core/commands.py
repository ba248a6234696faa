"""What the project's own commands share: a help text that ends in an example, and a sentence where
the database is not ready for them."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError
from psycopg2.errors import UndefinedColumn, UndefinedTable


class ExampleCommand(BaseCommand):
    """A command whose `--help` ends with `example`, line breaks kept."""

    example = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django's parser, with the example below the options."""
        kwargs["formatter_class"] = argparse.RawDescriptionHelpFormatter
        return super().create_parser(
            prog_name, subcommand, epilog=f"example:\n  {self.example}", **kwargs
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Django's; of a database without this version's tables it says what to do."""
        try:
            return super().execute(*args, **options)
        except ProgrammingError as error:
            if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
                raise
            raise CommandError(
                "The database does not have this version's tables. `make run` and `tutelage up` "
                "make them; without either, run `manage.py migrate` first."
            ) from error
