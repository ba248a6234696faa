"""Running `import_labels` in a test."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command


def run(path: Path, *options: str) -> dict[str, Any]:
    """What the command says with `--json`; `exit` is its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("import_labels", str(path), "--json", *options, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        code = int(ended.code or 0)
    return {**json.loads(out.getvalue()), "exit": code}
