"""Writes the packaged model's checkpoint into the job's `folder`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from models_service.lm.packaged import write_packaged_checkpoint

if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text())
    write_packaged_checkpoint(Path(job["folder"]))
    print(json.dumps(job))
