"""`manage.py import_labels FILE`: labels that were made elsewhere, all or none."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from labeling.intake.label_options import label_options
from labeling.management.importing import ImportCommand
from labeling.models import Import


class Command(ImportCommand):
    help = (
        "Import demonstrations, rankings, pairs, and completions to be ranked, in the shapes of "
        "public data sets or of our own exports; docs/import_labels.md says which. One bad line "
        "and nothing is imported. Interrupted, it goes on where it stopped."
    )

    example = (
        "manage.py import_labels hh.jsonl --set hh-rlhf --licence MIT --skip-invalid\n\n"
        'a line:\n  {"prompt": "Why is the sky blue?", "chosen": "It scatters light.", '
        '"rejected": "Dunno."}'
    )
    what = Import.What.LABELS

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--set", default="", help="its name; else the file's, as your own")
        parser.add_argument("--licence", default="", help="needed for a set that is somebody's")
        parser.add_argument(
            "--split", default="", help="train, validation or test, for rows that do not say"
        )
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="OURS=THEIRS",
            help="a column under another name, such as chosen=preferred; may be given again",
        )

    def told(self, options: dict[str, Any]) -> dict[str, Any]:
        return label_options(
            name=options["file"].name,
            of=options["set"],
            licence=options["licence"],
            split=options["split"],
            columns=dict(pair.partition("=")[::2] for pair in options["column"]),
        )

    def sentence(self, imported: Import, counts: dict[str, int]) -> str:
        ignored = ", ".join(imported.tally.get("ignored", {}))
        return (
            f"{counts['rankings']} rankings, {counts['demonstrations']} demonstrations, "
            f"{counts['completions']} tasks to be ranked, {counts['known']} known already, "
            f"{counts['prompts']} new prompts, {counts['quarantined']} of them in quarantine for "
            f"personal data" + (f"; not read: {ignored}" if ignored else "")
        )
