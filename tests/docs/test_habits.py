"""What developers run says the same in both places, and the site of docs/ is whole and offline."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml
from django.conf import settings

MAKEFILE = (settings.BASE_DIR / "Makefile").read_text()


def test_pre_commit_runs_the_linters_of_make_lint() -> None:
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert lint
    config = yaml.safe_load((settings.BASE_DIR / ".pre-commit-config.yaml").read_text())
    hooks = [hook["entry"] for repository in config["repos"] for hook in repository["hooks"]]
    assert hooks == [line.strip() for line in lint[1].splitlines()]


def test_the_site_builds_without_warnings_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", tmp_path],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    pages = [*tmp_path.rglob("*.html")]
    assert len(pages) > 20
    loaded = r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//"
    for page in pages:
        assert not re.findall(loaded, page.read_text()), page.name
    for style in tmp_path.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", style.read_text())
