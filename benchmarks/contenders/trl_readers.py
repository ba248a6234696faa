"""Reads exports as TRL's users do: `datasets.load_dataset`, then TRL's own data utilities.

Runs in TRL's environment on `{"folder", "tokenizer"}`: a folder with files named
`WHAT-SHAPE.jsonl|parquet|csv`, and a folder with a tokenizer that has a chat template. Prints for
each file its rows, its columns and what TRL made of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset
from transformers import AutoTokenizer
from trl.data_utils import is_conversational, maybe_apply_chat_template

LOADERS = {".jsonl": "json", ".parquet": "parquet", ".csv": "csv"}
COLUMNS = {
    "demonstrations-chat": {"messages"},
    "demonstrations-trl": {"prompt", "completion"},
    "rankings-kto": {"prompt", "completion", "label"},
    "pairs-trl": {"prompt", "chosen", "rejected", "margin"},
    "pairs-dpo": {"prompt", "chosen", "rejected"},
}


def main() -> None:
    """One line of JSON: file → what it holds."""
    job = json.loads(Path(sys.argv[1]).read_text())
    tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"])
    paths = sorted(p for p in Path(job["folder"]).iterdir() if p.suffix in LOADERS)
    print(json.dumps({path.name: _read(path, tokenizer, job["folder"]) for path in paths}))


def _read(path: Path, tokenizer: Any, folder: str) -> dict[str, Any]:
    rows = load_dataset(
        LOADERS[path.suffix], data_files=str(path), split="train", cache_dir=f"{folder}/cache"
    )
    found: dict[str, Any] = {"rows": len(rows), "columns": rows.column_names}
    if path.stem not in COLUMNS or path.suffix == ".csv":
        return found
    assert set(rows.column_names) == COLUMNS[path.stem], rows.column_names
    return found | _understood(rows, tokenizer)


def _understood(rows: Dataset, tokenizer: Any) -> dict[str, Any]:
    """Whether TRL takes the rows for conversations, and how many it could format."""
    assert is_conversational(rows[0]), rows[0]
    formatted = rows.map(maybe_apply_chat_template, fn_kwargs={"processing_class": tokenizer})
    texts = [name for name in formatted.column_names if isinstance(formatted[0][name], str)]
    assert texts, formatted[0]
    return {"formatted": len(formatted), "texts": texts}


if __name__ == "__main__":
    main()
