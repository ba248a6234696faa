"""`manage.py export WHAT --format F --out PATH`: labels for anyone's trainer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from accounts.management.base import ExampleCommand
from labeling.exports import FORMATS, SPLITS
from labeling.exports.files import write


class Command(ExampleCommand):
    help = "Export demonstrations, rankings or pairs as JSON lines, with a manifest beside them."

    example = "manage.py export pairs --format trl --out pairs.jsonl"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=sorted(FORMATS))
        parser.add_argument("--format", default="jsonl", help="jsonl (everything) or trl")
        parser.add_argument("--out", type=Path, required=True)
        parser.add_argument("--split", default="train", help="train (the default) or validation")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, *args: Any, **options: Any) -> None:
        what, form, split = options["what"], options["format"], options["split"]
        if form not in FORMATS[what]:
            known = " or ".join(FORMATS[what])
            raise CommandError(f"There is no format {form!r} for {what}; there is {known}.")
        if split not in SPLITS:
            raise CommandError(
                f"Only {' and '.join(SPLITS)} leave; {split!r} stays to measure with."
            )
        quiet = options["json"] or not sys.stderr.isatty()
        rows = tqdm(FORMATS[what][form](split), unit="row", disable=quiet)
        try:
            manifest = write(options["out"], rows, {"what": what, "format": form, "split": split})
        except OSError as error:
            raise CommandError(f"{options['out']} cannot be written: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(manifest))
        else:
            self.stdout.write(f"{manifest['rows']} rows, sha256 {manifest['sha256']}")
