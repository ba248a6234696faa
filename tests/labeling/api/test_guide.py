"""Every example of docs/api.md, in its order, against the live server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from pytest_django.live_server_helper import LiveServer

from accounts.models import TokenGrant
from labeling.demo.seed import lay_ground
from labeling.models import Demonstration, LabelingTask, Prompt, Ranking
from trainer import tasks
from trainer.data.export_jobs import perform

GUIDE = (settings.BASE_DIR / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
TOKENS = {"client": "APP_TOKEN", "labeler": "LABELER_TOKEN", "admin": "ADMIN_TOKEN"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def curl() -> None:
    if not shutil.which("curl"):
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("curl is missing: apt-get install curl")


def _accounts(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make those the guide makes; their tokens go where it reads them."""
    for line in block.splitlines():
        said = StringIO()
        command, *arguments = line.removeprefix("manage.py ").split()
        call_command(command, *arguments, stdout=said)
        told = dict(line.split(maxsplit=1) for line in said.getvalue().splitlines())
        monkeypatch.setenv(TOKENS[told["role"]], told["token"])


def _of(language: str) -> list[str]:
    return [block for kind, block in BLOCKS if kind == language]


def test_every_example_does_what_it_says(
    curl: None,
    live_server: LiveServer,
    make_task: Callable[..., LabelingTask],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    lay_ground()
    cache.clear()  # in which the tokens that an account makes are counted
    make_task("demonstration")
    make_task("ranking")
    monkeypatch.setenv("TUTELAGE", live_server.url)
    monkeypatch.setattr(tasks.write_export, "delay", perform)  # a worker that is free
    for block in _of("console"):
        _accounts(block, monkeypatch)
    script = ["bash", "-euo", "pipefail", "-c", "\n".join(_of("sh"))]
    run = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    names: dict[str, Any] = {}
    for block in _of("python"):
        exec(compile(block, "docs/api.md", "exec"), names)
    for client in (names["labeler"], names["admin"]):
        client.close()  # the server's threads wait for it
    assert Prompt.objects.filter(source="api").count() == 2
    assert Demonstration.objects.get().text.startswith("The moon pulls at the sea")
    assert Ranking.objects.get().active_seconds == 25
    assert len(names["lines"]) == 1
    limited = TokenGrant.objects.get(name="nightly import")
    assert (limited.scopes, limited.last_used_at is not None) == (["prompts"], True)


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert GUIDE.count("```") == 2 * len(BLOCKS)
    order = [language for language, _ in BLOCKS]
    assert order == sorted(order, key=["console", "sh", "python"].index)
