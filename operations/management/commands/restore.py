"""`manage.py restore PATH`: an installation from its archive."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from core.commands import ExampleCommand
from operations.backup import BackupError, restore


class Command(ExampleCommand):
    help = (
        "Bring back what `manage.py backup` wrote, into an empty installation. The archive is "
        "checked whole before anything changes."
    )
    requires_system_checks = ()

    example = "manage.py restore /backups/tutelage-monday.tar"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the archive")
        parser.add_argument(
            "--replace", action="store_true", help="lose the installation that is there"
        )
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        quiet = options["json"] or not sys.stderr.isatty()
        try:
            with tqdm(unit="B", unit_scale=True, desc="checking", disable=quiet) as bar:
                manifest = restore(options["path"], replace=options["replace"], advance=bar.update)
        except BackupError as error:
            raise CommandError(str(error)) from error
        same, files = manifest["same_secret_key"], len(manifest["files"])
        again = manifest["erased_again"]
        if options["json"]:
            found = {"created_at": manifest["created_at"], "files": files, "same_secret_key": same}
            found["erased_again"] = again
            self.stdout.write(json.dumps(found))
            return
        self.stdout.write(f"Restored {files} files of {manifest['created_at']}. Now: verify.")
        if again:
            self.stdout.write(f"{again} people who had been erased since were erased again.")
        if not same:
            self.stdout.write(
                "SECRET_KEY is another one than then: set the old one, or enter the keys of model "
                "servers again."
            )
