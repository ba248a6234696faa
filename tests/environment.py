"""Where the tests run: embedded services and files of their own, whatever the shell exports.

Loaded by pytest before Django reads its settings (`-p tests.environment` in pyproject.toml), in
each process of `--numprocesses` anew.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_FOLDER = Path(
    os.environ.get("TUTELAGE_TEST_DIR") or Path(__file__).resolve().parent.parent / "var" / "test"
).joinpath(os.environ.get("PYTEST_XDIST_WORKER", ""))

for name in ("DATABASE_URL", "REDIS_URL", "DEBUG", "HTTPS", "CHECKPOINT_DIR", "SNAPSHOT_DIR"):
    os.environ.pop(name, None)
os.environ |= {
    "DATA_DIR": str(_FOLDER),
    "BASE_MODEL": "tiny",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Playwright's synchronous API runs an event loop in the thread that also uses the ORM.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
}
for leftover in ("checkpoints", "snapshots"):
    shutil.rmtree(_FOLDER / leftover, ignore_errors=True)

from config import services  # noqa: E402 - the environment says where they lie

services.join()
