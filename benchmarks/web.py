"""Annotators with no thinking time against the web server: each claims a ranking and submits it.

A whole installation runs as `manage.py up` runs it, with 100,000 prompts waiting. Every annotator
is a thread with a session and one connection of its own; what the crowd itself costs is reported
beside the rest. The data stay under var/ for the next time. Run on a quiet machine.

    make bench NAME=web
    .venv/bin/python benchmarks/web.py --prompts 1000000 --annotators 1
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from installation import installation
from many_prompts import annotators, faults, fill, plan_of_a_claim, ranking_of

WARM_UP_SECONDS = 4.0
CSRF = "c" * 32
CLAIM = json.dumps({"kinds": ["ranking"]}).encode()


def main() -> None:
    options = _options()
    with installation(f"bench-web-{options.prompts}") as url:
        added = fill(options.prompts)
        print(f"{added:,} prompts added to {options.prompts:,}", file=sys.stderr)
        keys = annotators(max(options.annotators))
        if options.plan:
            print(plan_of_a_claim(), file=sys.stderr)
        crowds = {n: _measure(url, keys[:n], options.seconds) for n in options.annotators}
        found = faults()
    figures = {"benchmark": "web", "cores": os.cpu_count(), "prompts": options.prompts}
    print(json.dumps({**figures, "annotators": crowds, **found}))


def _options() -> Namespace:
    parser = ArgumentParser(description="Claim and submit over HTTP, as fast as it goes.")
    parser.add_argument("--prompts", type=int, default=100_000, help="that wait to be ranked")
    parser.add_argument("--annotators", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--plan", action="store_true", help="tell how the next slot is found")
    parser.add_argument("--seconds", type=float, default=30.0, help="measured for each crowd")
    return parser.parse_args()


@dataclass
class Annotator:
    """One labeler: claims and submits until the end, and keeps what that took, in seconds."""

    address: str
    session: str
    start: float
    end: float
    claims: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def work(self) -> None:
        self.connection = HTTPConnection(self.address, timeout=60)
        self.headers = {
            "Content-Type": "application/json",
            "Cookie": f"sessionid={self.session}; csrftoken={CSRF}",
            "X-CSRFToken": CSRF,
        }
        while time.perf_counter() < self.end:
            try:
                self._cycle()
            except (OSError, HTTPException, RuntimeError) as error:
                self.errors.append(repr(error)[:200])
                self.connection.close()

    def _cycle(self) -> None:
        assignment, claimed = self._post("claim/", CLAIM)
        label = ranking_of(assignment["completions"])
        _, submitted = self._post(f"{assignment['id']}/submit/", label)
        if time.perf_counter() - claimed - submitted > self.start:
            self.claims.append(claimed)
            self.submits.append(submitted)

    def _post(self, path: str, body: bytes) -> tuple[Any, float]:
        began = time.perf_counter()
        self.connection.request("POST", f"/api/v1/assignments/{path}", body, self.headers)
        response = self.connection.getresponse()
        answer = response.read()
        took = time.perf_counter() - began
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {answer[:100]!r}")
        return json.loads(answer), took


def _measure(url: str, keys: list[str], seconds: float) -> dict[str, Any]:
    start = time.perf_counter() + WARM_UP_SECONDS
    address = urlsplit(url).netloc
    crowd = [Annotator(address, key, start, start + seconds) for key in keys]
    threads = [threading.Thread(target=annotator.work) for annotator in crowd]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_SECONDS)
    before = time.process_time()
    for thread in threads:
        thread.join()
    spent = time.process_time() - before
    return _figures(crowd, seconds, spent)


def _figures(crowd: list[Annotator], seconds: float, spent: float) -> dict[str, Any]:
    claims = sorted(took for one in crowd for took in one.claims)
    errors = [error for one in crowd for error in one.errors]
    figures = {
        "cycles_per_second": round(len(claims) / seconds, 1),
        "claim_ms": percentiles(claims),
        "submit_ms": percentiles(sorted(took for one in crowd for took in one.submits)),
        "errors": len(errors),
        "crowd_cores": round(spent / seconds, 3),
    }
    print(f"{len(crowd)} annotators: {figures}", *errors[:3], sep="\n", file=sys.stderr)
    return figures


def percentiles(ordered: list[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds, of seconds in order."""
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {f"p{p}": round(1000 * ordered[round(last * p / 100)], 1) for p in (50, 95, 99)}


if __name__ == "__main__":
    main()
