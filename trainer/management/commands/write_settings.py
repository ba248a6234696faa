"""`manage.py write_settings`: writes the tables of settings into the algorithms' pages in docs/."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from core.commands import ExampleCommand
from trainer.management.settings_tables import pages, with_table


class Command(ExampleCommand):
    help = "Write the table of settings into the page of each stage in docs/."
    example = "manage.py write_settings"

    def handle(self, **options: Any) -> None:
        for name, config in pages().items():
            path = settings.BASE_DIR / "docs" / f"{name}.md"
            path.write_text(with_table(path.read_text(), config))
            self.stdout.write(f"{path} is written.")
