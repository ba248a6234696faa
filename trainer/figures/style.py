"""The style sheet of figures, found by the names that pages know it by."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.contrib.staticfiles.finders import find


@cache
def written_out() -> str:
    """The rules of figures with every token's value in its place, colours as in the light theme."""
    tokens = _tokens()
    return re.sub(r"var\((--[\w-]+)\)", lambda use: tokens[use[1]], _read("css/figures.css"))


def _tokens() -> dict[str, str]:
    """Every token by its name, colours as the light theme has them."""
    found = re.findall(r"(--[\w-]+):\s*([^;]+);", _read("css/tokens.css"))
    return {name: re.sub(r"^light-dark\((#\w+),.*\)$", r"\1", value) for name, value in found}


def _read(name: str) -> str:
    return Path(str(find(name))).read_text(encoding="utf-8")
