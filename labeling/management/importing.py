"""What `import_prompts` and `import_labels` have in common: a file, all or none, taken up again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from core.commands import ExampleCommand
from core.problems import Problem
from labeling.intake import imports, uploads
from labeling.intake.import_kinds import work_of
from labeling.models import Import


class ImportCommand(ExampleCommand):
    """A command that imports a file; what, a subclass says."""

    what: Import.What

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--skip-invalid",
            action="store_true",
            help="import the good lines and write the bad ones to FILE.rejects.jsonl",
        )
        parser.add_argument("--rejects", type=Path, help="where the bad lines go instead")
        parser.add_argument("--dry-run", action="store_true", help="check, and keep nothing")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def told(self, options: dict[str, Any]) -> dict[str, Any]:
        """What the command line says of all rows. Raises Problem."""
        return {}

    def sentence(self, imported: Import, counts: dict[str, int]) -> str:
        """What became of the rows, in words."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        try:
            imported = self._import(path, options)
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        if imported.state == Import.State.FAILED:
            raise CommandError(imported.failure)
        if imported.state == Import.State.CANCELLED:
            raise CommandError(
                "The import was ended, by somebody in the admin or because a person was erased; "
                "nothing was imported. Start it again."
            )
        bad, skip = imported.tally.get("bad", 0), options["skip_invalid"]
        if bad and skip:
            beside = path.with_name(f"{path.name}.rejects.jsonl")
            _write_rejects(options["rejects"] or beside, imported)
        self._say(imported, options)
        if imported.state != Import.State.FINISHED:
            uploads.cancel(imported=imported)
        if bad and not skip:
            sys.exit(1)

    def _import(self, path: Path, options: dict[str, Any]) -> Import:
        imported = uploads.named(path, what=self.what, options=self.told(options))
        quiet = options["json"] or not sys.stderr.isatty()
        with tqdm(desc="Checking", unit_scale=True, disable=quiet) as bar:
            _measure(bar, imported)
            imports.check(
                imported.pk, rehearse=options["dry_run"], advance=lambda size: _advance(bar, size)
            )
        imported.refresh_from_db()
        good = imported.staged.count()
        wanted = options["skip_invalid"] or not imported.tally.get("bad")
        if imported.state == Import.State.CHECKED and not options["dry_run"] and good and wanted:
            imports.accept(imported=imported, skip_invalid=True)
            imported.refresh_from_db()
        with tqdm(desc="Importing", total=good, unit=" rows", disable=quiet) as bar:
            imports.store(imported.pk, advance=lambda rows: _advance(bar, rows))
        imported.refresh_from_db()
        if imported.state in (Import.State.CHECKING, Import.State.STORING):
            raise CommandError(
                "Another process is importing this file. Was it killed? Then try again in a minute."
            )
        return imported

    def _say(self, imported: Import, options: dict[str, Any]) -> None:
        finished = imported.state == Import.State.FINISHED
        bad = imported.rejected.values("line", "reason")
        counts = {**vars(work_of(imported).result()), **imported.result}
        if options["json"]:
            rows = {"lines": imported.tally.get("rows", 0), "imported": finished, **counts}
            self.stdout.write(json.dumps(rows | {"rejects": list(bad)}))
            return
        for row in bad.iterator(1000):
            self.stderr.write(f"line {row['line']}: {row['reason']}")
        ended = "imported" if finished else "nothing imported"
        self.stdout.write(
            f"{imported.tally.get('rows', 0)} rows, {self.sentence(imported, counts)}, "
            f"{imported.tally.get('bad', 0)} bad; {ended}"
        )


def _measure(bar: tqdm, imported: Import) -> None:
    bar.total = imported.cursor.get("of", imported.size)
    bar.update(imported.cursor.get("at", [0])[0])


def _advance(bar: tqdm, size: int) -> None:
    bar.update(size)


def _write_rejects(path: Path, imported: Import) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in imported.rejected.values("line", "reason", "text").iterator(1000):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
