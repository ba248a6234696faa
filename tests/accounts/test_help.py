"""Every command of the project shows an example in its `--help`."""

from __future__ import annotations

import pytest
from django.core.management import load_command_class

COMMANDS = {
    "accounts": ["create_user"],
    "operations": ["backup", "draw_architecture", "restore", "verify"],
    "labeling": ["import_prompts", "simulate_labelers"],
    "trainer": ["erase_person", "export", "loop", "promote", "start_round"],
}


@pytest.mark.parametrize(
    ("app", "name"), [(app, name) for app, names in COMMANDS.items() for name in names]
)
def test_help_ends_with_an_example(app: str, name: str) -> None:
    text = load_command_class(app, name).create_parser("manage.py", name).format_help()
    assert f"manage.py {name}" in text.partition("\nexample:\n")[2]
