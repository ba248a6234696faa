"""`manage.py export WHAT --format F --out PATH`: labels for anyone's trainer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from accounts.audit import Act, record
from core.commands import ExampleCommand
from core.problems import Problem
from labeling.exports import FILES, SHAPES
from labeling.exports.files import write
from trainer.data.export_jobs import about, audited, ordered

_FORMATS = sorted({shape for shapes in SHAPES.values() for shape in shapes})
_FILTERS = ("split", "group", "round", "guideline", "policy", "since", "until", "use_cases",
            "origins", "reason")  # fmt: skip


class Command(ExampleCommand):
    help = (
        "Export demonstrations, rankings, pairs or evaluations, with a manifest beside them. An "
        "export that was interrupted goes on when it is asked for again."
    )

    example = "manage.py export pairs --format trl --round 3 --out pairs.parquet"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=sorted(SHAPES))
        parser.add_argument(
            "--format",
            default="whole",
            help=f"{', '.join(_FORMATS)}; or {', '.join(FILES)} for everything in such a file",
        )
        parser.add_argument("--out", type=Path, required=True, help="PATH.jsonl, .parquet or .csv")
        parser.add_argument("--split", default="", help="train (the default), validation or test")
        parser.add_argument("--reason", default="", help="why the test split has to leave; audited")
        parser.add_argument("--group", default="", help="of labelers")
        parser.add_argument("--round", type=int, help="labels of this round's snapshot alone")
        parser.add_argument("--guideline", type=int, help="labels made under this version")
        parser.add_argument("--policy", default="", help="rankings of this model version's answers")
        parser.add_argument("--since", default="", help="labels made then or later")
        parser.add_argument("--until", default="", help="labels made before that")
        parser.add_argument("--use-case", action="append", dest="use_cases", metavar="USE_CASE")
        parser.add_argument(
            "--origin",
            action="append",
            dest="origins",
            metavar="ORIGIN",
            help="here, imported, or a set that labels were imported from",
        )
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        try:
            manifest = self._export(options)
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        except OSError as error:
            raise CommandError(f"{options['out']} cannot be written: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(manifest))
        else:
            self.stdout.write(f"{manifest['rows']} rows, sha256 {manifest['sha256']}")

    def _export(self, options: dict[str, Any]) -> dict[str, Any]:
        shape, file = _shape_and_file(options["format"], options["out"])
        filters = {name: options[name] for name in _FILTERS}
        order = ordered(what=options["what"], shape=shape, file=file, **filters)
        quiet = options["json"] or not sys.stderr.isatty()
        with tqdm(total=order.labels().count(), unit="label", disable=quiet) as bar:
            manifest = write(
                options["out"],
                order,
                about=about(order),
                report=lambda labels, rows: bar.update(labels - bar.n),
            )
        record(act=Act.LABELS_EXPORTED, detail=audited(order, options["reason"]))
        return manifest


def _shape_and_file(form: str, out: Path) -> tuple[str, str]:
    """`--format parquet` is everything in a Parquet file; else the file's name says its kind."""
    if form in FILES:
        return "whole", form
    suffix = out.suffix.removeprefix(".").lower()
    return form, suffix if suffix in FILES else "jsonl"
