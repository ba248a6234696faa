"""`manage.py simulate_labelers`: labels made over HTTP by labelers with a hidden utility."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import import_module
from itertools import cycle, islice
from typing import Any

import httpx
from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from core.commands import ExampleCommand
from labeling.models import LabelerProfile
from labeling.people.labelers import ensure_simulated
from labeling.simulation.browser import LoginFailed
from labeling.simulation.crew import Order, OutOfWork, work
from labeling.simulation.judge import FLIPS, PERSONAS, Persona, Utility

DEFAULT_UTILITY = "labeling.simulation.utilities:concise"


class Command(ExampleCommand):
    help = "Let simulated labelers log in over HTTP and label by a hidden utility, with noise."

    example = "manage.py simulate_labelers --rankings 100 --demonstrations 40"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="the web server")
        parser.add_argument(
            "--labelers", type=int, default=len(PERSONAS), help="every fifth is held out"
        )
        parser.add_argument("--rankings", type=int, default=100, help="of all labelers together")
        parser.add_argument("--demonstrations", type=int, default=0)
        parser.add_argument("--utility", default=DEFAULT_UTILITY, help="module:function")
        parser.add_argument("--noise", type=float, default=FLIPS, help="share of pairs flipped")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--patience", type=float, default=600, help="seconds without any task")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, *args: Any, **options: Any) -> None:
        order = Order(
            labels={
                "ranking": options["rankings"],
                "demonstration": options["demonstrations"],
            },
            utility=find_utility(options["utility"]),
            flips=options["noise"],
            seed=options["seed"],
            patience=options["patience"],
        )
        made = self._work(options, hire(options["labelers"]), order)
        if options["json"]:
            self.stdout.write(json.dumps({"labels": made}))
            return
        for name, counts in made.items():
            self.stdout.write(f"{name:12} {counts or 'nothing'}")

    def _work(
        self, options: dict[str, Any], crew: list[tuple[Persona, str]], order: Order
    ) -> dict[str, dict[str, int]]:
        quiet = options["json"] or not sys.stderr.isatty()
        with tqdm(total=sum(order.labels.values()), unit="label", disable=quiet) as bar:
            try:
                return work(options["url"], crew, order, done=lambda kind: _step(bar))
            except (OutOfWork, LoginFailed, httpx.HTTPError) as error:
                raise CommandError(str(error)) from error


def _step(bar: tqdm) -> None:
    bar.update()


def hire(count: int) -> list[tuple[Persona, str]]:
    """`count` personas with accounts on this installation and their passwords."""
    personas = [_numbered(persona, n) for n, persona in enumerate(islice(cycle(PERSONAS), count))]
    group = LabelerProfile.Group
    passwords = ensure_simulated(
        groups={p.name: group.HELD_OUT if p.held_out else group.TRAINING for p in personas}
    )
    return [(persona, passwords[persona.name]) for persona in personas]


def _numbered(persona: Persona, number: int) -> Persona:
    again = number // len(PERSONAS)
    return replace(persona, name=f"{persona.name}-{again + 1}") if again else persona


def find_utility(name: str) -> Utility:
    """The function `module:function`. Raises CommandError when there is none."""
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise CommandError(f"There is no utility {name!r} (module:function): {error}") from error
