"""`manage.py create_user NAME --role R [--token]`: an account, its password or token shown once."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from accounts.models import Role
from accounts.scopes import Scope
from accounts.services import create_user
from accounts.tokens import DEFAULT_DAYS, MAX_DAYS, create_token
from core.commands import ExampleCommand

_NAME = "Made with the account"  # on the page of tokens


class Command(ExampleCommand):
    help = "Make an account and print its password, or an API token, once."

    example = "manage.py create_user ada --role labeler"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--token", action="store_true", help="print an API token as well")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            choices=Scope.values,
            help="limit the token to this; may be repeated (default: all that the role may do)",
        )
        parser.add_argument(
            "--days",
            type=int,
            default=DEFAULT_DAYS,
            choices=range(1, MAX_DAYS + 1),
            metavar="N",
            help=f"how long the token holds (default: {DEFAULT_DAYS}, at most {MAX_DAYS})",
        )
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user, password = create_user(name=options["name"], role=Role(options["role"]))
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        result = {"name": user.username, "role": user.role, "password": password}
        if options["token"]:
            _, result["token"] = create_token(
                user=user, name=_NAME, scopes=set(options["scope"]), days=options["days"]
            )
        if options["json"]:
            self.stdout.write(json.dumps(result))
            return
        for key, value in result.items():
            self.stdout.write(f"{key:9} {value}")
