"""`manage.py scan_prompts`: personal data in prompts that were stored before."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from core.commands import ExampleCommand
from labeling.intake.quarantine import BATCH, Scanned, scan, to_scan


class Command(ExampleCommand):
    help = (
        "Look for personal data in the prompts that are here, as at intake, and put what holds "
        "some into quarantine; languages and the keys of near-duplicates are filled in where they "
        "are missing. What was released before stays released. It can be undone under Changes in "
        "the admin."
    )
    example = "manage.py scan_prompts --dry-run"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, *args: Any, **options: Any) -> None:
        result, last = Scanned(), 0
        rows = to_scan().values_list("pk", flat=True)
        quiet = options["json"] or not sys.stderr.isatty()
        with tqdm(total=rows.count(), unit=" prompts", disable=quiet) as bar:
            while batch := list(rows.filter(pk__gt=last)[:BATCH]):
                last = batch[-1]
                found = scan(ids=batch, keep=not options["dry_run"])
                result.prompts += found.prompts
                result.quarantined += found.quarantined
                bar.update(len(batch))
        if options["json"]:
            self.stdout.write(json.dumps(vars(result)))
            return
        verb = "would be" if options["dry_run"] else "were"
        self.stdout.write(
            f"{result.prompts} prompts looked at; {result.quarantined} {verb} put into quarantine."
        )
