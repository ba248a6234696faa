"""Benchmark `label_intake`: how fast pairs come in, checked and stored, and in how much memory.

`make bench NAME=label_intake` writes PAIRS pairs (100,000 unless the environment says otherwise) by
500 labelers, of the lengths of the real prompts and novels beside the checkout, and imports them
into an empty installation of its own under var/ by the command. A fifth as many beforehand, into
another set, show what memory depends on. The last line is one JSON object; `load` is how busy the
machine was before.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import intake
from environment import ROOT
from machine import run_command

PAIRS = int(os.environ.get("PAIRS", 100_000))
FOLDER = ROOT / "var" / "bench-label-intake"


def main() -> None:
    """One line of JSON."""
    if not intake.DATA.exists():
        sys.exit(f"There are no texts: {intake.DATA} does not exist.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    intake.FOLDER = FOLDER
    intake.set_up()
    _empty()
    found: dict[str, Any] = {"pairs": PAIRS, "load": round(os.getloadavg()[0], 2)}
    for name, count in (("fifth", PAIRS // 5), ("whole", PAIRS)):
        path = FOLDER / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            rows = _rows(random.Random(name), count)
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        told = run_command("import_labels", path)
        told.pop("rejects")
        found[name] = {"file_mb": path.stat().st_size // 10**6, **told}
    print(json.dumps({"benchmark": "label_intake", **found}))


def _empty() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE labeling_prompt, labeling_labelorigin, labeling_import CASCADE")
        cursor.execute("VACUUM ANALYZE")


def _rows(chance: random.Random, count: int) -> Iterator[dict[str, Any]]:
    passages = intake.passages()

    def passage(lines: int) -> str:
        place = chance.randrange(len(passages) - lines)
        return " ".join(passages[place : place + lines])

    for number in range(count):
        yield {
            "prompt": f"{passage(chance.randint(1, 8))} ({number})",
            "chosen": f"{passage(chance.randint(1, 4))} ({number})",
            "rejected": passage(chance.randint(1, 4)),
            "labeler": f"w{number % 500}",
        }


if __name__ == "__main__":
    main()
