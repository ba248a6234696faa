"""Benchmark `people`: the labelers' page over a million labels by five hundred people.

A whole installation runs as `manage.py up` runs it; its rows are made once and stay under var/.
Measured: the page over HTTP, counting everything anew, and the count that beat does every minute.
The last line is one JSON object; a page slower than what is wanted is named above it.

    make bench NAME=people
    .venv/bin/python benchmarks/people.py --labelers 100 --labels 50000
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace

import httpx
from installation import installation

WANTED_MS = 300
PAGES = ("", "?p=2", "?name=bench-1", "?state=active", "people.csv")
_PATH = "/admin/labeling/labelerprofile/"
_DAYS = 90
# Two labelers a task, four completions, ranks drawn; the last of it ended an hour ago.
_FILL = """
INSERT INTO labeling_labelingtask (id, kind, purpose, prompt_id, brief, state, priority,
    completions_wanted, mixture, seed, failure, created_at)
  SELECT n, 'ranking', 'training', {prompt}, '{{}}', 'open', 0, 4, '{{}}', 0, '', {when}
  FROM generate_series(1, {tasks}) n;
INSERT INTO labeling_completion (id, task_id, position, text, sampling, seed, finish_reason,
    prompt_tokens, completion_tokens, latency_ms, created_at)
  SELECT 4 * (n - 1) + k, n, k, 'Answer ' || k, '{{}}', 0, 'stop', 3, 3, 0, {when}
  FROM generate_series(1, {tasks}) n, generate_series(1, 4) k;
INSERT INTO labeling_assignment (id, task_id, labeler_id, state, display_order, reading_seconds,
    draft, draft_version, lease_expires_at, release_reason, submission_hash, active_seconds,
    claimed_at, ended_at)
  SELECT 2 * (n - 1) + who, n, {first} + (n + who * (1 + n %% 7)) %% {labelers}, 'submitted', '[]',
    0, '{{}}', 0, {when}, '', '', 60, {when}, {when}
  FROM generate_series(1, {tasks}) n, generate_series(1, 2) who;
INSERT INTO labeling_ranking (id, assignment_id, task_id, labeler_id, prompt_id, "group",
    active_seconds, created_at, excluded_reason, display_order, contradictions, too_fast)
  SELECT id, id, task_id, labeler_id, {prompt}, 'training', 20 + id %% 90, ended_at, '', '[]',
    CASE WHEN id %% 31 = 0 THEN '["order"]'::jsonb ELSE '[]'::jsonb END, id %% 53 = 0
  FROM labeling_assignment;
INSERT INTO labeling_rankedcompletion (ranking_id, completion_id, rank, overall, flags)
  SELECT r.id, 4 * (r.task_id - 1) + k, 1 + (k + (random() * 1.2)::int) %% 4, 4, '[]'
  FROM labeling_ranking r, generate_series(1, 4) k;
"""
_WHEN = "now() - interval '1 hour' - ({days} * interval '1 day') * (n / {tasks}::float)"


def main() -> None:
    options = _options()
    with installation(f"bench-people-{options.labelers}-{options.labels}") as url:
        from labeling.people import totals

        if _fill(options.labelers, options.labels):
            print(f"{options.labels:,} labels made", file=sys.stderr)
        found = {
            "labelers": options.labelers,
            "labels": options.labels,
            "rebuild_s": round(_seconds(totals.rebuild), 1),
            "count_s": round(_seconds(totals.bring_up_to_date), 2),
            "pages_ms": _pages(url, options.rounds),
        }
    for page, took in found["pages_ms"].items():
        if took["p95"] > WANTED_MS:
            print(f"{page}: {took['p95']} ms, wanted {WANTED_MS}", file=sys.stderr)
    print(json.dumps({"benchmark": "people", **found}))


def _options() -> Namespace:
    parser = ArgumentParser(description="The labelers' page at full size.")
    parser.add_argument("--labelers", type=int, default=500)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40, help="how often each page is fetched")
    return parser.parse_args()


def _fill(labelers: int, labels: int) -> bool:
    """Make the rows, unless they are there."""
    from django.db import connection, transaction

    from accounts.models import User
    from labeling.models import Prompt, Ranking

    if Ranking.objects.exists():
        return False
    names = [User(username=f"bench-{n}", role="labeler") for n in range(labelers)]
    first = User.objects.bulk_create(names)[0].pk
    prompt = Prompt.objects.create(
        messages=[{"role": "user", "content": "Why?"}], source="import", split="train"
    )
    size = {"tasks": labels // 2, "days": _DAYS}
    sql = _FILL.format(
        when=_WHEN.format(**size), prompt=prompt.pk, first=first, labelers=labelers, **size
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.replace("%%", "%"))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return True


def _pages(url: str, rounds: int) -> dict[str, dict[str, float]]:
    from django.test import Client

    from accounts.models import User

    lead, _ = User.objects.get_or_create(username="lead", role="admin", defaults={"is_staff": True})
    client = Client()
    client.force_login(lead)
    cookies = {"sessionid": client.cookies["sessionid"].value}
    with httpx.Client(base_url=url, cookies=cookies, timeout=60) as browser:
        return {page or "all": _times(browser, _PATH + page, rounds) for page in PAGES}


def _times(browser: httpx.Client, path: str, rounds: int) -> dict[str, float]:
    browser.get(path).raise_for_status()
    took = sorted(_seconds(lambda: browser.get(path).raise_for_status()) for _ in range(rounds))
    at = {"p50": len(took) // 2, "p95": int(0.95 * (len(took) - 1))}
    return {name: round(1000 * took[place]) for name, place in at.items()}


def _seconds(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
