"""What the project's own commands share: a help text that ends in an example."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class ExampleCommand(BaseCommand):
    """A command whose `--help` ends with `example`, line breaks kept."""

    example = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django's parser, with the example below the options."""
        kwargs["formatter_class"] = argparse.RawDescriptionHelpFormatter
        return super().create_parser(
            prog_name, subcommand, epilog=f"example:\n  {self.example}", **kwargs
        )
