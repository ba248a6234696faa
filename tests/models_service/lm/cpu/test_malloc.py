"""Freed memory that stays with the process, seen in one that nothing else has used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.conf import settings

from models_service.lm.cpu import malloc

TELL_WHAT_STAYS = """
import json, resource, torch
from pathlib import Path
from models_service.lm.cpu import malloc as memory

def resident():
    "Megabytes of this process that lie in memory."
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20

def stays():
    "Megabytes that a freed tensor of 64 leaves behind."
    before = resident()
    torch.ones(64 * 2**20 // 4)
    return resident() - before

torch.ones(8).sum()
before = resident()
with memory.kept():
    inside = stays()
print(json.dumps({"inside": inside, "ended": resident() - before, "outside": stays()}))
"""


@pytest.mark.skipif(not malloc.adjustable(), reason="only glibc's allocator can be told")
def test_inside_freed_memory_stays_and_afterwards_it_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TELL_WHAT_STAYS],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    megabytes = json.loads(done.stdout)
    assert megabytes["inside"] > 60
    assert megabytes["ended"] < 8
    assert megabytes["outside"] < 8
