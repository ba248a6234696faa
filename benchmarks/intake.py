"""Benchmark `intake`: how fast prompts come in, cleaned, and in how much memory.

`make bench NAME=intake` writes PROMPTS prompts (100,000 unless the environment says otherwise) by
2,000 authors: real prompts and passages of novels from the data beside the checkout, of the lengths
they have, every fiftieth with an address or a number in it, some of them said before or nearly so.
They are imported into an empty installation of its own under var/ by the command, as an admin
would, from JSON lines and from Parquet; WAITING rows (none unless said) lie there before. The last
line is one JSON object.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from environment import ROOT
from machine import run_command

PROMPTS = int(os.environ.get("PROMPTS", 100_000))
WAITING = int(os.environ.get("WAITING", 0))
FOLDER = ROOT / "var" / "bench-intake"
DATA = ROOT.parent / "shared" / "data"
_TEXTS = {
    "oasst_prompts/prompts": "prompt",
    "self_instruct/seed_demonstrations": "instruction",
    "mt_bench_prompts/prompts": "first_turn",
    "qa_feedback_k4/ranked": "prompt",
    "hh_harmless/pairs": "first_turn",
    "llmbar/pairs": "prompt",
}
_BOOKS = ("emma", "mansfield_park", "northanger_abbey", "pride_and_prejudice")
_PERSONAL = ("{n}@mail.com", "+44 20 7946 {n:04d}", "4111 1111 1111 1111", "93.184.216.34")


def main() -> None:
    """One line of JSON."""
    if not DATA.exists():
        sys.exit(f"There are no texts: {DATA} does not exist.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    set_up()
    found: dict[str, Any] = {"prompts": PROMPTS, "waiting": WAITING}
    lines, columns = FOLDER / "prompts.jsonl", FOLDER / "prompts.parquet"
    _write(lines, columns)
    for path in (lines, columns):
        _empty()
        if WAITING:
            _wait(WAITING)
        found[path.suffix[1:]] = _timed(path)
    print(json.dumps({"benchmark": "intake", **found}))


def set_up() -> None:
    os.environ |= {"DATA_DIR": str(FOLDER), "DJANGO_SETTINGS_MODULE": "config.settings"}
    for given in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(given, None)
    sys.path.insert(0, str(ROOT))
    import django

    from config import services

    services.join()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)


def _empty() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE labeling_prompt, labeling_import CASCADE")
        cursor.execute("VACUUM ANALYZE")


def _wait(count: int) -> None:
    """So many other prompts with keys of their own, made inside PostgreSQL."""
    from django.db import connection

    from labeling.models import Prompt

    one = Prompt.objects.create(messages=[], source="import", split="train", fingerprint="x")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO labeling_prompt SELECT copy.* FROM generate_series(1, %s) n, LATERAL "
            "jsonb_populate_record((SELECT template FROM labeling_prompt template WHERE id = %s), "
            "jsonb_build_object('id', nextval('labeling_prompt_id_seq'), 'fingerprint', n, "
            "'messages', jsonb_build_array(jsonb_build_object('role', 'user', 'content', n)), "
            "'bands', (SELECT jsonb_agg((random() * 1e18)::bigint + n) FROM generate_series(1, 8)))"
            ") copy",
            [count, one.pk],
        )
        one.delete()
        cursor.execute("VACUUM ANALYZE")


def _write(lines: Path, columns: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(_rows(random.Random(7)))
    with lines.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    pq.write_table(pa.Table.from_pylist(rows), columns, row_group_size=10_000)


def _rows(chance: random.Random) -> Iterator[dict[str, Any]]:
    said, lines = _prompts(), passages()
    before: list[str] = ["Why?"]
    for number in range(PROMPTS):
        place = chance.randrange(len(lines) - 12)
        passage = " ".join(lines[place : place + chance.randint(1, 8)])
        text = f"{chance.choice(said)}\n\n{passage}" if number % 3 else passage
        if number % 50 == 0:
            text += " " + chance.choice(_PERSONAL).format(n=number % 10_000)
        if number % 100 == 1:
            text = chance.choice(before) + ("" if number % 200 == 1 else " Please.")
        before = [*before[-50:], text]
        yield {
            "prompt": text,
            "author": f"author {chance.randrange(2000)}",
            "use_case": chance.choice(("generation", "open_qa", "chat", "rewrite")),
        }


def _prompts() -> list[str]:
    texts = []
    for name, column in _TEXTS.items():
        with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts += [str(json.loads(line).get(column) or "") for line in file]
    return [text[:600] for text in texts if text]


def passages() -> list[str]:
    """The lines of some novels."""
    lines: list[str] = []
    for book in _BOOKS:
        path = DATA / "text_corpus" / f"austen_{book}.txt.gz"
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines += [line.strip() for line in file if len(line) > 40]
    return lines


def _timed(path: Path) -> dict[str, Any]:
    """Seconds and peak memory of the command, and the fate of the rows."""
    told = run_command("import_prompts", path)
    told.pop("rejects")
    return {"file_mb": path.stat().st_size // 10**6, **told}


if __name__ == "__main__":
    main()
