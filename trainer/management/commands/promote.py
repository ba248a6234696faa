"""`manage.py promote`: give a model version a role."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.commands import ExampleCommand
from core.problems import Problem
from models_service.models import ModelVersion, Promotion
from trainer.rounds.promotion import promote


class Command(ExampleCommand):
    help = "Give a model version a role; waiting tasks of the policy it replaces expire."

    example = 'manage.py promote round-3-policy --reason "reads better"'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", help="its name, as the admin lists it")
        parser.add_argument("--role", choices=Promotion.Role.values, default=Promotion.Role.POLICY)
        parser.add_argument(
            "--reason",
            default="",
            help="for those who read the history; required where a gate is not met",
        )
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        version = ModelVersion.objects.filter(name=options["version"]).first()
        if version is None:
            raise CommandError(f"There is no model version {options['version']!r}.")
        try:
            promotion = promote(role=options["role"], version=version, reason=options["reason"])
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        if options["json"]:
            self.stdout.write(json.dumps({"version": version.name, "role": promotion.role}))
        else:
            self.stdout.write(f"{version} now serves as {promotion.get_role_display().lower()}.")
