"""Where the tests run: embedded services and files of their own, whatever the shell exports; or,
with FAST_TESTS=1, only the tests that need none of it, and then nothing is started.

Loaded by pytest before Django reads its settings (`-p tests.environment` in pyproject.toml), in
each process of `--numprocesses` anew.
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

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

FAST = os.environ.get("FAST_TESTS") == "1"
# What a test asks pytest-django for the database by, itself or through other fixtures.
_DATABASE = frozenset({"db", "transactional_db", "live_server"})
# Who has these at hand starts programs, which join the services, or computes for long.
_HEAVY = frozenset({"subprocess", "playwright", "torch", "transformers"})
if FAST:  # services that are named are not started, and nobody answers there
    os.environ |= {"DATABASE_URL": "postgres:///nobody", "REDIS_URL": "redis://nobody"}
services.join()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs services and what is heavy; of fast tests, leave it out."""
    left = []
    for item in items:
        if item.get_closest_marker("django_db") or _DATABASE & set(item.fixturenames):
            item.add_marker("services")
        if _HEAVY & _at_hand(item.module):
            item.add_marker("heavy")
        if FAST and {"services", "heavy"} & {mark.name for mark in item.iter_markers()}:
            left.append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@cache
def _at_hand(module: ModuleType) -> set[str]:
    """The libraries that a test's module uses by itself, or through one of ours that it names."""
    sources = {module, *_sources(module)}
    return {source.__name__.split(".")[0] for one in sources for source in _sources(one)}


def _sources(module: ModuleType) -> set[ModuleType]:
    """The modules that the names of this one come from."""
    found = set()
    for value in vars(module).values():
        kind = type(value)  # asking the value itself would wake lazy ones
        if issubclass(kind, ModuleType):
            found.add(value)
        elif issubclass(kind, type | FunctionType) and value.__module__ in sys.modules:
            found.add(sys.modules[value.__module__])
    return found
