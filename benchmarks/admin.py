"""Benchmark `admin`: the admin over a million prompts and 200,000 rankings, as an admin opens it.

A whole installation runs as `manage.py up` runs it; what it holds is made once by admin_rows.py and
stays under var/. Every page is fetched over HTTP by a logged-in admin: lists, filters, searches for
frequent and rare words in three scripts, the queue's page. Then all rankings are exported, and
tasks are claimed and released here and in an installation of 10,000 prompts. The last line is one
JSON object; pages slower than what is wanted are named above it.

    make bench NAME=admin
    .venv/bin/python benchmarks/admin.py --prompts 100000
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from admin_rows import fill, sentences, vocabulary
from environment import ROOT
from exports import timed_export
from installation import installation
from web import CSRF

FEW = 10_000
WANTED_MS = {"list": 300, "filter": 300, "search": 300, "queue": 200}
LABELING = "/admin/labeling"
_WARM_UP = 10  # claims before the measured ones: what they read from the disk is not counted


def main() -> None:
    options = _options()
    folder = f"bench-admin-{options.prompts}"
    with installation(folder) as url:
        began = time.perf_counter()
        if added := fill(options.prompts):
            print(f"{added:,} prompts made in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        found: dict[str, Any] = {"prompts": options.prompts}
        if not options.claims_alone:
            found["pages_ms"] = _pages(_Visitor(url, "admin"), options.rounds)
            found["export"] = _export(ROOT / "var" / folder / "rankings.jsonl")
        found["claim_ms"] = _claims(url, options.claims)
    if not options.claims_alone:
        few = found["claim_ms_of_few"] = _claims_of_few(options.claims)
        found["claim_ratio"] = {
            kind: round(took["p95"] / few[kind]["p95"], 2)
            for kind, took in found["claim_ms"].items()
        }
    print(json.dumps({"benchmark": "admin", **found}))


def _options() -> Namespace:
    parser = ArgumentParser(description="The admin's pages, an export and claims at full size.")
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="how often each page is fetched")
    parser.add_argument("--claims", type=int, default=150, help="of each kind")
    parser.add_argument("--claims-alone", action="store_true", help="measure nothing else")
    return parser.parse_args()


class _Visitor:
    """Somebody with a session and one connection."""

    def __init__(self, url: str, role: str, *, name: str = "") -> None:
        from django.test import Client

        from accounts.models import User
        from accounts.services import follow_role

        known = name or f"visitor-{role}"
        user, _ = User.objects.get_or_create(username=known, defaults={"role": role})
        follow_role(user)
        user.save()
        client = Client()
        client.force_login(user)
        self.connection = HTTPConnection(urlsplit(url).netloc, timeout=120)
        self.headers = {
            "Content-Type": "application/json",
            "Cookie": f"sessionid={client.cookies['sessionid'].value}; csrftoken={CSRF}",
            "X-CSRFToken": CSRF,
        }

    def fetch(self, method: str, path: str, body: Any = None) -> tuple[float, bytes]:
        """Seconds and body of an answer that is a success."""
        began = time.perf_counter()
        sent = json.dumps(body).encode() if body is not None else None
        self.connection.request(method, path, sent, self.headers)
        response = self.connection.getresponse()
        answer = response.read()
        took = time.perf_counter() - began
        assert response.status in (200, 201, 204), f"{path}: {response.status} {answer[:300]!r}"
        return took, answer


def _pages(admin: _Visitor, rounds: int) -> dict[str, Any]:
    from labeling.models import Queue

    queues = [f"{LABELING}/queue/{pk}/change/" for pk in Queue.objects.values_list("pk", flat=True)]
    pages = {
        "list": _lists(),
        "filter": _filters(),
        "search": _searches(),
        "queue": [f"{LABELING}/queue/", *queues],
    }
    return {name: _measured(admin, name, paths, rounds) for name, paths in pages.items()}


def _lists() -> list[str]:
    tables = ("prompt", "labelingtask", "completion", "ranking", "demonstration", "assignment")
    lists = [f"{LABELING}/{table}/" for table in tables] + ["/admin/accounts/auditentry/"]
    return [page for path in lists for page in (path, f"{path}?p=3", f"{path}?p=90")] + ["/admin/"]


def _filters() -> list[str]:
    asked: dict[str, list[dict[str, str]]] = {
        "prompt": [
            {"state__exact": "withdrawn"}, {"state__exact": "active"},
            {"kind__exact": "user_based"},
            {"kind__exact": "few_shot"}, {"use_case__exact": "chat"},
            {"use_case__exact": "extract"},
            {"split__exact": "test"}, {"source__exact": "labeler"}, {"source__exact": "import"},
            {"author": "author-77"}, {"organisation": "org-77"}, {"topic": "medicine"},
            {"topic": "nothing"}, {"language": "zh"}, {"language": "xx"},
            {"state__exact": "quarantined", "use_case__exact": "chat", "source__exact": "import"},
            {"created_at_from": "2001-01-01", "created_at_to": "2001-02-01"},
            {"created_at_from": "2001-01-01", "state__exact": "withdrawn"},
            _days(300, 200), _days(1, 0), {**_days(300, 200), "use_case__exact": "extract"},
        ],
        "labelingtask": [
            {"kind__exact": "ranking"}, {"state__exact": "expired"}, {"disagreement": "50"},
            {"disagreement": "0"}, {"purpose__exact": "evaluation"}, _days(300, 200),
            {"version": "{version}"},
        ],
        "completion": [
            {"version": "{version}"}, {"flag": "hallucination"}, {"flag": "denigrates"},
            _days(300, 200), {"version": "{version}", "flag": "opinion"},
        ],
        "ranking": [
            {"labeler": "bench-9"}, {"flag": "hallucination"}, {"flag": "denigrates"},
            {"flag": "moral_judgment"}, {"disagreement": "50"}, {"group": "held_out"},
            {"group": "training"}, {"counts": "no"}, {"version": "{version}"},
            {"prompt__use_case__exact": "extract"}, {"prompt__split__exact": "test"},
            {"task__purpose__exact": "evaluation"}, _days(300, 200),
            {"labeler": "bench-9", "flag": "opinion", "disagreement": "25"},
        ],
        "demonstration": [
            {"labeler": "bench-9"}, {"group": "held_out"}, {"counts": "no"},
            {"prompt__split__exact": "validation"}, _days(300, 200),
        ],
        "assignment": [{"state__exact": "submitted"}, {"state__exact": "lapsed"},
                       {"labeler": "bench-9"}],
    }  # fmt: skip
    from models_service.models import ModelVersion

    version = str(ModelVersion.objects.get(name="bench-2").pk)
    return [
        f"{LABELING}/{table}/?{urlencode(query).replace('%7Bversion%7D', version)}"
        for table, queries in asked.items()
        for query in queries
    ] + [f"/admin/accounts/auditentry/?what={act}" for act in ("label_excluded", "person_erased")]


def _days(first: int, last: int) -> dict[str, str]:
    """From so many days ago to so many."""
    from datetime import date, timedelta

    today = date.today()
    ends = {"created_at_from": first, "created_at_to": last}
    return {name: str(today - timedelta(days=days)) for name, days in ends.items()}


def _searches() -> list[str]:
    words, said = vocabulary(), sentences()
    asked = [words[place] for place in (0, 1, 3, 10, 40, 150, 600, 2_500, 10_000, 19_000)]
    asked += [f"{words[0]} {words[1]}", f"{words[5]} {words[700]}", f"{words[9]} {words[12000]}"]
    asked += [words[200][:4], words[0][:3], '"' + " ".join(said[5].split()[:3]) + '"']
    asked += ["unique123456", "unique12345 unique", "author-77", "org-7", "123456", "nowhere"]
    asked += [said[0][:2], said[25][2:6], said[0][0], said[1].split()[0], said[1].split()[1][:3]]
    tables = ("prompt", "labelingtask", "completion", "ranking", "demonstration")
    pages = [f"{LABELING}/{table}/?q={quote(text)}" for table in tables for text in asked]
    pages += [f"/admin/accounts/auditentry/?q={word}" for word in ("clicked", "unique777", "777")]
    filtered = urlencode({"q": words[0], "state__exact": "withdrawn"})
    return [*pages, f"{LABELING}/prompt/?{filtered}"]


def _measured(admin: _Visitor, name: str, paths: list[str], rounds: int) -> dict[str, float]:
    """Percentiles over all pages; those that are too slow, on stderr."""
    times: list[float] = []
    for path in paths:
        admin.fetch("GET", path)  # what the first one reads from the disk is not counted
        took = sorted(admin.fetch("GET", path)[0] for _ in range(rounds))
        if 1000 * took[rounds // 2] > WANTED_MS[name]:
            print(f"{1000 * took[rounds // 2]:7.0f} ms {path}", file=sys.stderr)
        times += took
    return _percentiles(times) | {"pages": len(paths)}


def _export(path: Path) -> dict[str, Any]:
    """Seconds and peak memory of the command for all rankings, and what it wrote."""
    path.unlink(missing_ok=True)
    return timed_export("rankings", "whole", path)


def _claims(url: str, count: int) -> dict[str, Any]:
    """Claims of each kind by one new labeler, who gives every task back."""
    labeler = _Visitor(url, "labeler", name=f"visitor-{time.time_ns()}")
    found = {}
    for kind in ("ranking", "demonstration"):
        times = []
        for _ in range(_WARM_UP + count):
            took, answer = labeler.fetch("POST", "/api/v1/assignments/claim/", {"kinds": [kind]})
            held = json.loads(answer)["id"]
            labeler.fetch("POST", f"/api/v1/assignments/{held}/release/", {"reason": "measured"})
            times.append(took)
        found[kind] = _percentiles(times[_WARM_UP:])
    return found


def _claims_of_few(count: int) -> dict[str, Any]:
    """The same in an installation of 10,000 prompts, by a process of its own."""
    options = ["--prompts", str(FEW), "--claims", str(count), "--claims-alone"]
    command = [sys.executable, __file__, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])["claim_ms"]


def _percentiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    last = len(ordered) - 1
    return {f"p{p}": round(1000 * ordered[round(last * p / 100)], 1) for p in (50, 95)}


if __name__ == "__main__":
    main()
