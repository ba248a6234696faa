"""Real human feedback that lies beside a checkout of the project's own machines, never in it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

_SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of `name` (such as "llmbar/pairs"); skips the test where the data is not there."""
    path = _there(_SHARED / "data" / f"{name}.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def case(name: str) -> Path:
    """A small input that once failed (such as "models/zoo.py"); skips where it is not there."""
    return _there(_SHARED / "cases" / name)


def _there(path: Path) -> Path:
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have what is shared, but {path.name} is missing.")
        pytest.skip("what is shared does not lie beside this checkout")
    return path
