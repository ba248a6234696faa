"""`manage.py import_prompts FILE`: prompts from a file, all or none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from accounts.management.base import ExampleCommand
from labeling.services.intake import Reject, Report, import_file


class Command(ExampleCommand):
    help = "Import prompts from a JSON lines or CSV file; one bad line and nothing is imported."

    example = (
        "manage.py import_prompts prompts.jsonl --skip-invalid\n\n"
        'a line:\n  {"prompt": "Why is the sky blue?", "use_case": "open_qa", "author": "a17"}'
    )

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

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        report = self._import(path, options)
        if report.rejects and options["skip_invalid"]:
            _write_rejects(options["rejects"] or _beside(path), report.rejects)
        self._say(report, options)
        if report.rejects and not options["skip_invalid"]:
            sys.exit(1)

    def _import(self, path: Path, options: dict[str, Any]) -> Report:
        quiet = options["json"] or not sys.stderr.isatty()
        size = path.stat().st_size
        with tqdm(total=size, unit="B", unit_scale=True, disable=quiet) as bar:
            return import_file(
                path,
                skip_invalid=options["skip_invalid"],
                dry_run=options["dry_run"],
                advance=lambda size: _advance(bar, size),
            )

    def _say(self, report: Report, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict()))
            return
        for bad in report.rejects:
            self.stderr.write(f"line {bad.line}: {bad.reason}")
        result = report.result
        self.stdout.write(
            f"{report.lines} rows, {result.added} new, {result.duplicates} known already, "
            f"{result.near_duplicates} near-duplicates, {result.over_limit} over the author's "
            f"limit, {len(report.rejects)} bad; "
            + ("imported" if report.imported else "nothing imported")
        )


def _advance(bar: tqdm, size: int) -> None:
    bar.update(size)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejects.jsonl")


def _write_rejects(path: Path, rejects: list[Reject]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for bad in rejects:
            row = {"line": bad.line, "reason": bad.reason, "text": bad.text}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
