"""`manage.py backup PATH`: one archive of the whole installation, while it runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from core.commands import ExampleCommand
from operations.backup import BackupError, back_up, size_of_backup


class Command(ExampleCommand):
    help = "Write database, checkpoints and snapshots into one archive; nothing has to stop."

    example = "manage.py backup /backups/tutelage-monday.tar"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the archive to write, a .tar")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        path: Path = options["path"]
        quiet = options["json"] or not sys.stderr.isatty()
        try:
            with tqdm(total=size_of_backup(), unit="B", unit_scale=True, disable=quiet) as bar:
                manifest = back_up(path, advance=bar.update)
        except (BackupError, OSError) as error:
            raise CommandError(f"No backup was written: {error}") from error
        size, files = path.stat().st_size, len(manifest["files"])
        if options["json"]:
            self.stdout.write(json.dumps({"path": str(path), "bytes": size, "files": files}))
        else:
            self.stdout.write(
                f"{path}: {files} files, {size / 1e6:,.1f} MB. "
                "SECRET_KEY is not in it; keep that apart."
            )
