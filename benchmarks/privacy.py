"""Hostile texts against the search for personal data, which runs inside a request.

Each text holds a million characters of what one recogniser has most work with; the whole of what
is found out about a prompt (`cleaning.examined`) is timed as well. Seconds, the worst of each.

    make bench NAME=privacy
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from unittest.mock import patch

from environment import ROOT

sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from labeling.intake import cleaning, privacy  # noqa: E402
from labeling.intake.rows import NewPrompt  # noqa: E402

CHARACTERS = 1_000_000
PIECES = (
    "1 ", "7", "650 555 1234 ", "+1 650 253 0000 ", "call 6505551234\n", "8.8.4.4 ", "1.", "+1",
    "4111 1111 1111 1111 ", "4111 ", "DE89 3704 0044 0532 0130 00 ", "AB12 ", "078-05-1121 ",
    "١٢٣ ", "６５０", "12/12/2012 ", "6502530000 ext ", "(1)", "((", "1\n", "a1-", "12-34-",
    "a@", "a@b.", "@w", "ada@lovelace.io ", "x@a.b-c.d_ ", "a:", "::", "a", "w.", "w-", "+",
    "password is ", "password          ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA ",
    "eyJ", "eyJabc.", "AKIA", "sk_live_", "ghp_", "npm_a", "AccountKey=", "aws = ",
    "https://hooks.slack.com/services/T", "aws_secret_access_key", "Ada Lovelace ",
)  # fmt: skip
ALPHABETS = {
    "digits": "0123456789",
    "base64": "ABCDEFabcdef0123456789+/=",
    "numbers": "0123456789 -.()+",
    "ascii": "".join(map(chr, range(33, 127))),
}


def main() -> None:
    _examine("What is loaded at the first prompt is no part of a prompt's time.")
    searched = _seconds(privacy.find)
    if "--whole" in sys.argv:
        with patch.object(privacy.Effort, "take", lambda effort, text: text):
            print(f"without a bound: {_worst(_seconds(privacy.find))}", file=sys.stderr)
    figures = {"benchmark": "privacy", "texts": len(searched), "characters": CHARACTERS}
    found = {"search": _worst(searched), "prompt": _worst(_seconds(_examine))}
    print(json.dumps({**figures, **found}))


def _texts() -> Iterator[tuple[str, str]]:
    for piece in PIECES:
        yield piece, piece * (CHARACTERS // len(piece))
    draw = random.Random(1)
    for name, alphabet in ALPHABETS.items():
        yield name, "".join(draw.choices(alphabet, k=CHARACTERS))


def _examine(text: str) -> None:
    row = NewPrompt(messages=[{"role": "user", "content": text}], instruction="", examples=[])
    cleaning.examined([row], cleaning.Recognisers())


def _seconds(work: Callable[[str], object]) -> dict[str, float]:
    """What the work takes for each text."""
    taken = {}
    for name, text in _texts():
        began = time.perf_counter()
        work(text)
        taken[name] = round(time.perf_counter() - began, 3)
    return taken


def _worst(seconds: dict[str, float]) -> dict[str, float]:
    """The five slowest."""
    return dict(sorted(seconds.items(), key=lambda pair: -pair[1])[:5])


if __name__ == "__main__":
    main()
