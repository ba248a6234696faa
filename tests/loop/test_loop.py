"""The whole loop by its command: server, workers, simulated labelers, two rounds, win rates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 600  # it takes well under four minutes on two idle cores


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `loop --rounds 2 --preset tiny --json` says, on an installation of its own."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "REDIS_URL", "BASE_MODEL", "CHECKPOINT_DIR", "SNAPSHOT_DIR")
    }
    environment["DATA_DIR"] = str(tmp_path_factory.mktemp("loop"))
    command = [sys.executable, "manage.py", "loop", "--rounds", "2", "--preset", "tiny", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.loop
def test_each_round_ends_with_a_policy_in_office(told: dict[str, Any]) -> None:
    first, second = told["rounds"]
    assert first["policy"] != second["policy"]
    assert first["promoted"] and second["promoted"]


@pytest.mark.loop
def test_the_second_round_learns_from_what_the_first_policy_said(told: dict[str, Any]) -> None:
    first, second = told["rounds"]
    assert first["asked"] == "tiny"
    assert second["asked"] == first["policy"]


@pytest.mark.loop
def test_win_rates_have_intervals_by_both_judges(told: dict[str, Any]) -> None:
    for row in told["rounds"]:
        for judge in ("reward", "gold"):
            rate = row[judge]
            assert 0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1
            assert rate["n"] >= 8
