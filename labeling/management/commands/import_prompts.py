"""`manage.py import_prompts FILE`: prompts from a file, all or none."""

from __future__ import annotations

from labeling.management.importing import ImportCommand
from labeling.models import Import


class Command(ImportCommand):
    help = (
        "Import prompts from JSON lines, CSV, Parquet or a data set in Hugging Face's chat format; "
        "one bad line and nothing is imported. Interrupted, it goes on where it stopped."
    )

    example = (
        "manage.py import_prompts prompts.jsonl --skip-invalid\n\n"
        'a line:\n  {"prompt": "Why is the sky blue?", "use_case": "open_qa", "author": "a17"}'
    )
    what = Import.What.PROMPTS

    def sentence(self, imported: Import, counts: dict[str, int]) -> str:
        return (
            f"{counts['added']} new, {counts['quarantined']} in quarantine for personal data, "
            f"{counts['duplicates']} known already, {counts['near_duplicates']} near-duplicates, "
            f"{counts['over_limit']} over the author's limit"
        )
