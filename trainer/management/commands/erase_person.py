"""`manage.py erase_person NAME`: forget a labeler or a prompt author."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.commands import ExampleCommand
from core.problems import Problem
from trainer.data.erasure import Traces, erase, trace

_SHOWN = 20


class Command(ExampleCommand):
    help = (
        "List everything there is of a labeler, an API client or a prompt author; with --yes, "
        "destroy it: texts go, statistics stay without the person. It cannot be undone."
    )

    example = "manage.py erase_person ada\n  manage.py erase_person ada --yes"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="an account's name, or a prompt's author")
        parser.add_argument("--yes", action="store_true", help="erase; without it nothing changes")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        try:
            erased, traces = self._act(options["person"], sure=options["yes"])
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        if options["json"]:
            found = traces.as_dict() if traces else {}
            self.stdout.write(json.dumps({"erased": erased, **found}))
        elif traces:
            self._show(traces, erased)
        else:
            self.stdout.write("Erased before; nothing is left.")

    def _act(self, person: str, *, sure: bool) -> tuple[bool, Traces | None]:
        if sure:
            return True, erase(person=person)[1]
        traces = trace(person)
        return (False, traces) if traces else (True, erase(person=person)[1])

    def _show(self, traces: Traces, erased: bool) -> None:
        for name, found in traces.as_dict().items():
            if name != "person" and found:
                self.stdout.write(f"  {name.replace('_', ' '):<16} {_told(found)}")
        self.stdout.write(
            "Erased. Backups and files that left the installation are not reached from here."
            if erased
            else "Nothing was changed; the same with --yes erases it for good."
        )


def _told(found: Any) -> str:
    if not isinstance(found, list):
        return "yes" if found is True else str(found)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{len(found)}: {', '.join(map(str, found[:_SHOWN]))}{more}"
