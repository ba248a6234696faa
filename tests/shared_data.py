"""Real human feedback that lies beside a checkout of the project's own machines, never in it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of `name` (such as "llmbar/pairs"); skips the test where the data is not there."""
    path = _FOLDER / f"{name}.jsonl.gz"
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the shared data, but {name} is missing.")
        pytest.skip("the shared data does not lie beside this checkout")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
