"""`manage.py start_round`: a round from a preset or a recipe file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.commands import ExampleCommand
from core.problems import Problem
from models_service.models import ModelVersion
from trainer.algorithms.config import ConfigError
from trainer.management.following import follow
from trainer.models import TrainingRound
from trainer.rounds.reads import summary
from trainer.rounds.recipes import from_yaml
from trainer.rounds.start import start_round
from trainer.tasks import advance_rounds


class Command(ExampleCommand):
    help = "Queue a training round; the workers do the rest. Exit code 0 if it was queued, or, "
    help += "with --wait, if it finished."

    example = (
        "manage.py start_round --recipe mine.yaml --wait\n\n"
        "mine.yaml changes single values of the preset:\n  ppo:\n    iterations: 20\n"
        "  promote: never"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--preset", help="tiny, demo or paper; the recipe's, else demo")
        parser.add_argument("--recipe", type=Path, help="YAML with values that differ")
        parser.add_argument("--start", help="name of the version to start from")
        parser.add_argument("--reward", help="name of the reward model, where none is trained")
        parser.add_argument("--name", default="", help="what the round is called")
        parser.add_argument("--wait", action="store_true", help="until the round has ended")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        round = self._start(options)
        say = (lambda line: None) if options["json"] else self.stdout.write
        say(f"{round} is queued.")
        if options["wait"]:
            round = follow(round, say)
        if options["json"]:
            self.stdout.write(json.dumps(summary(round)))
        if options["wait"] and round.state != TrainingRound.State.FINISHED:
            raise CommandError(f"{round} is {round.state}. {round.failure}".strip())
        if options["wait"]:
            say(f"{round} is finished; its policy is {round.policy}.")

    def _start(self, options: dict[str, Any]) -> TrainingRound:
        try:
            named, recipe = _recipe(options["recipe"])
            round = start_round(
                preset=options["preset"] or named or "demo",
                recipe=recipe,
                start=_version(options["start"]),
                reward=_version(options["reward"]),
                name=options["name"],
            )
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        advance_rounds.delay()
        return round


def _recipe(path: Path | None) -> tuple[str | None, dict[str, Any]]:
    if path is None:
        return None, {}
    try:
        return from_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error


def _version(name: str | None) -> ModelVersion | None:
    if not name:
        return None
    version = ModelVersion.objects.filter(name=name).first()
    if version is None:
        raise CommandError(f"There is no model version {name!r}.")
    return version
