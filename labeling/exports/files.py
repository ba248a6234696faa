"""Writing an export: a JSON lines file that is there whole or not at all, and its manifest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write(path: Path, rows: Iterable[dict[str, Any]], about: dict[str, Any]) -> dict[str, Any]:
    """Write the rows one by one and `PATH.manifest.json` beside them; returns the manifest.

    The manifest is `about` with the number of rows and the file's sha256.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    digest, count = hashlib.sha256(), 0
    try:
        with unfinished.open("wb") as file:
            for row in rows:
                count += 1
                line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
                digest.update(line)
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    manifest = {**about, "rows": count, "sha256": digest.hexdigest()}
    text = json.dumps(manifest, indent=2) + "\n"
    path.with_name(f"{path.name}.manifest.json").write_text(text, encoding="utf-8")
    return manifest
