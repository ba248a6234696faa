"""What a first start puts into an empty installation: prompts, guidelines, the form, the queues."""

from __future__ import annotations

import json
from pathlib import Path

from django.db import transaction

from labeling.intake.prompts import Added, add_prompts
from labeling.intake.rows import parse
from labeling.models import Guideline, Prompt
from labeling.queues.queues import ensure_queues
from labeling.work.guidelines import current_form, publish_guideline

FOLDER = Path(__file__).resolve().parent


@transaction.atomic
def lay_ground() -> None:
    """Add the form, the queues and the first guidelines; what is there stays."""
    current_form()
    ensure_queues()
    for path in sorted((FOLDER / "guidelines").glob("*.md")):
        _publish_first(path)


@transaction.atomic
def seed_demo() -> Added:
    """Add the demo prompts and what they need; what is there stays."""
    lay_ground()
    return add_prompts(map(parse, _lines("prompts.jsonl")), source=Prompt.Source.DEMO)


def _lines(name: str) -> list[dict]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _publish_first(path: Path) -> None:
    """A guideline's file is named after its kind and its purpose."""
    kind, _, purpose = path.stem.partition("-")
    if not Guideline.objects.filter(kind=kind, purpose=purpose).exists():
        publish_guideline(kind=kind, purpose=purpose, text=path.read_text(encoding="utf-8"))
