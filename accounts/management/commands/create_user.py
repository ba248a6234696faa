"""`manage.py create_user NAME --role R [--token]`: an account, its password or token shown once."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from accounts.models import Role
from accounts.services import create_token, create_user
from core.commands import ExampleCommand


class Command(ExampleCommand):
    help = "Make an account and print its password, or an API token, once."

    example = "manage.py create_user ada --role labeler"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--token", action="store_true", help="print an API token as well")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user, password = create_user(name=options["name"], role=Role(options["role"]))
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        result = {"name": user.username, "role": user.role, "password": password}
        if options["token"]:
            result["token"] = create_token(user=user)
        if options["json"]:
            self.stdout.write(json.dumps(result))
            return
        for key, value in result.items():
            self.stdout.write(f"{key:9} {value}")
