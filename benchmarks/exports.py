"""Benchmark `exports`: how fast labels leave, in how much memory, and whether TRL reads them.

`make bench NAME=exports` fills an installation of its own under var/ with RANKINGS rankings of four
completions each (200,000 unless the environment says otherwise), exports all of them, and lets
`datasets.load_dataset` and TRL's data utilities read every shape in every kind of file. The last
line is one JSON object; `ids.ratio` is what all the ids cost. READ=0 leaves TRL out.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from environment import ROOT, TRL, trl_python
from machine import run_command, run_contender

RANKINGS = int(os.environ.get("RANKINGS", 200_000))
FOLDER = ROOT / "var" / "bench-exports"
# Of every hundred prompts one is about this; what TRL reads are these alone.
FEW = "extract"
_TEXT = "repeat('The moon pulls on the water and the coast sees two tides. ', 1 + {n} % 7) || {n}"
_PROMPT = _TEXT.format(n="n")
# Rows are copies of a template, but for these columns.
_TABLES = {
    "labeling_prompt": (
        "fresh",
        "'id', prompt, 'fingerprint', 'bench-' || n, 'messages', jsonb_build_array("
        f"jsonb_build_object('role', 'user', 'content', {_PROMPT})), "
        "'use_case', CASE n % 100 WHEN 0 THEN 'extract' ELSE 'chat' END",
    ),
    "labeling_labelingtask": ("fresh", "'id', task, 'prompt_id', prompt"),
    "labeling_completion": (
        "fresh, generate_series(0, 3) AS place",
        "'id', completion + place, 'task_id', task, 'position', place, "
        f"'text', {_TEXT.format(n='(n + place)')}",
    ),
    "labeling_ranking": ("fresh", "'id', ranking, 'task_id', task, 'prompt_id', prompt"),
    "labeling_rankedcompletion": (
        "fresh, generate_series(0, 3) AS place",
        "'id', nextval('labeling_rankedcompletion_id_seq'), 'ranking_id', ranking, "
        "'completion_id', completion + place, 'rank', 1 + place / 2, 'overall', 6 - place",
    ),
    "labeling_demonstration": (
        "fresh",
        "'id', nextval('labeling_demonstration_id_seq'), 'task_id', task, 'prompt_id', prompt",
    ),
}
_FRESH = """
CREATE TEMP TABLE fresh AS SELECT n, 1000 + n AS prompt, 1000 + n AS task, 1000 + n AS ranking,
  1000 + 4 * n AS completion FROM generate_series(1, %s) n
"""


def main() -> None:
    """One line of JSON."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    _set_up()
    _fill()
    found: dict[str, Any] = {"rankings": RANKINGS}
    for file in ("jsonl", "parquet"):
        found[file] = timed_export("rankings", "whole", FOLDER / f"all.{file}")
    found["ids"] = _ids()
    if os.environ.get("READ") != "0":
        found["read"] = _read()
    print(json.dumps({"benchmark": "exports", **found}))


def _set_up() -> None:
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


def _fill() -> None:
    """Make the rankings inside PostgreSQL, unless they are there from the last time."""
    from copies import copy
    from django.db import connection

    from labeling.models import Ranking

    if Ranking.objects.count() == RANKINGS:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(_TABLES)} CASCADE")
        templates = _templates()
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(_FRESH, [RANKINGS])
        for table, (rows, columns) in _TABLES.items():
            copy(templates[table], rows, columns)
        cursor.execute("SET session_replication_role = DEFAULT")
        for row in reversed(templates.values()):
            row.delete()
        cursor.execute("VACUUM ANALYZE")


def _templates() -> dict[str, Any]:
    """One row of each table, as the product makes it."""
    from accounts.models import User
    from labeling import models
    from models_service.models import ModelVersion

    labeler, _ = User.objects.get_or_create(username="bench", defaults={"role": "labeler"})
    version, _ = ModelVersion.objects.get_or_create(
        name="bench", defaults={"kind": "policy", "checkpoint": "none"}
    )
    prompt = models.Prompt.objects.create(messages=[], source="import", split="train")
    task = models.LabelingTask.objects.create(kind="ranking", prompt=prompt, state="open")
    label = {"task": task, "prompt": prompt, "labeler": labeler, "active_seconds": 60}
    completion = models.Completion.objects.create(
        task=task,
        position=0,
        version=version,
        sampling={},
        seed=0,
        finish_reason="stop",
        prompt_tokens=9,
        completion_tokens=9,
    )
    ranking = models.Ranking.objects.create(**label)
    ranked = models.RankedCompletion.objects.create(
        ranking=ranking, completion=completion, rank=1, overall=1, flags=["toxic"]
    )
    demonstration = models.Demonstration.objects.create(**label, text="Gladly.")
    rows = (prompt, task, completion, ranking, ranked, demonstration)
    return dict(zip(_TABLES, rows, strict=True))


def timed_export(what: str, shape: str, path: Path) -> dict[str, Any]:
    """Seconds and peak memory of the command, and what it wrote."""
    told = run_command("export", what, "--format", shape, "--out", path)
    return {
        "seconds": told["seconds"],
        "peak_mb": told["peak_mb"],
        "rows": told["rows"],
        "mb": round(told["bytes"] / 1e6),
    }


def _ids() -> dict[str, Any]:
    """Seconds of an export with all ids, and of one without them and what they belong to."""
    from labeling.exports import SHAPES, SOURCES, Shape, files, training_rows, whole
    from labeling.exports.orders import order

    columns = ("id", "split", "messages", "use_case", "guideline", "active_seconds", "created_at",
               "labeler", "form", "completions", "finished", "ranks", "ratings", "flags",
               "policies")  # fmt: skip
    schema = {name: whole.RANKING[name] for name in columns}
    SHAPES["thin"] = {"whole": Shape("without ids", whole.unchanged, schema)}
    SOURCES["thin"] = replace(SOURCES["rankings"], rows=training_rows.rankings)
    seconds = {"thin": math.inf, "rankings": math.inf}
    for _ in range(3):  # in turn, the best of each: other work on the machine hits one at a time
        for what in seconds:
            start = time.perf_counter()
            files.write(FOLDER / f"{what}.jsonl", order(what=what))
            seconds[what] = min(seconds[what], time.perf_counter() - start)
    del SHAPES["thin"], SOURCES["thin"]
    return {**seconds, "ratio": seconds["rankings"] / seconds["thin"]}


def _exported(what: str, shape: str, path: Path) -> dict[str, Any]:
    """The manifest of an export of the few."""
    from django.core.management import call_command

    out = StringIO()
    options = ["--format", shape, "--out", str(path), "--json", "--use-case", FEW]
    call_command("export", what, *options, stdout=out)
    return json.loads(out.getvalue())


def _read() -> dict[str, Any]:
    """What `datasets` and TRL make of each shape and file."""
    from labeling.exports import FILES, SHAPES
    from models_service.lm.tiny import write_tiny_checkpoint

    folder, tokenizer = FOLDER / "few", FOLDER / "tiny"
    folder.mkdir(exist_ok=True)
    if not tokenizer.exists():
        write_tiny_checkpoint(tokenizer)
    written = {}
    for what, shapes in SHAPES.items():
        for shape in shapes:
            for file in FILES:
                path = folder / f"{what}-{shape}.{file}"
                written[path.name] = _exported(what, shape, path)["rows"]
    job = {"folder": str(folder), "tokenizer": str(tokenizer)}
    read = run_contender(trl_python(TRL), "contenders/trl_readers.py", job)
    for name, rows in written.items():
        assert read[name]["rows"] == rows, f"{name}: {read[name]['rows']} of {rows} lines"
    return read


if __name__ == "__main__":
    main()
