"""Each word that the glossary says the code uses is used by the code."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

ROWS = re.findall(
    r"^\| ([^|]+) \| (`[^|]+`) \| ", (settings.BASE_DIR / "docs" / "glossary.md").read_text(), re.M
)
ROOMS = ("core", "accounts", "models_service", "labeling", "trainer", "frontend", "operations")


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Of files, folders, classes, functions and variables."""
    files = [path for room in ROOMS for path in (settings.BASE_DIR / room).rglob("*.py")]
    found = {path.stem for path in files} | {path.parent.name for path in files}
    found |= {path.stem for path in (settings.BASE_DIR / "frontend" / "static").rglob("*.js")}
    for path in files:
        defined = r"^\s*(?:class|def) (\w+)|^\s*(\w+)(?:: [^=\n]+)?(?: = |$)"
        text = path.read_text(encoding="utf-8")
        found |= {name for pair in re.findall(defined, text, re.M) for name in pair}
    return found


@pytest.mark.parametrize(("word", "code"), ROWS, ids=[word for word, _ in ROWS])
def test_the_code_calls_it_so(word: str, code: str, names: set[str]) -> None:
    assert set(re.findall(r"`(\w+)`", code)) <= names


def test_a_word_stands_once() -> None:
    words = [word for word, _ in ROWS]
    assert len(words) > 40 and len(words) == len(set(words))
