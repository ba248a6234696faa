"""`manage.py verify`: whether files, tables and states are whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from core.commands import ExampleCommand
from operations.verify import CHECKS, faults


class Command(ExampleCommand):
    help = (
        "Check the sha256 of checkpoints and snapshots, every constraint of the database, every "
        "state, and that labels fit their tasks. Changes nothing; fails when something is wrong."
    )

    example = "manage.py verify --json"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        quiet = True if options["json"] else None  # None: a bar on a terminal alone
        with tqdm(total=len(CHECKS), unit="check", disable=quiet) as bar:

            def tell(check: str) -> None:
                bar.set_description(check)
                bar.update()

            found = list(faults(tell))
        if options["json"]:
            self.stdout.write(json.dumps({"faults": [asdict(fault) for fault in found]}))
        for fault in () if options["json"] else found:
            self.stdout.write(f"{fault.where}: {fault.what}. {fault.do}")
        if found:
            raise CommandError(f"{len(found)} faults were found.")
        if not options["json"]:
            self.stdout.write(f"Everything is whole: {', '.join(CHECKS)}.")
