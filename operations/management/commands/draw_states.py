"""`manage.py draw_states`: writes docs/states.md from the state machines of all apps."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from core.states import diagram
from labeling import states as labeling
from trainer import states as trainer

MACHINES = (*labeling.MACHINES, *trainer.MACHINES)


class Command(BaseCommand):
    help = "Draw the state machines into docs/states.md."

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.BASE_DIR / "docs" / "states.md"
        path.write_text(diagram(MACHINES), encoding="utf-8")
        self.stdout.write(f"wrote {path.relative_to(settings.BASE_DIR)}")
