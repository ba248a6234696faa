"""`manage.py draw_architecture`: docs/architecture.svg from the contracts in pyproject.toml."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from core.commands import ExampleCommand
from operations import architecture


class Command(ExampleCommand):
    help = "Draw the layers and rooms into docs/architecture.svg, for developers."
    example = "manage.py draw_architecture"

    def handle(self, **options: Any) -> None:
        path = architecture.write(settings.BASE_DIR)
        self.stdout.write(f"wrote {path.relative_to(settings.BASE_DIR)}")
