"""`manage.py loop`: whole rounds headless, with simulated labelers over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.utils.module_loading import import_string

from core.commands import ExampleCommand
from core.problems import Problem
from labeling.models import Completion
from trainer.algorithms import policy_vs_baseline
from trainer.algorithms.settings import EvaluationConfig
from trainer.management.following import follow
from trainer.management.server import own_server
from trainer.models import Evaluation, TrainingRound
from trainer.rounds.start import checked_recipe, require_one_limit, start_round
from trainer.runs import runner
from trainer.tasks import advance_rounds

# Labels a round collects, demonstrations in the first one only.
LABELS = {"tiny": (24, 12), "demo": (120, 40), "paper": (33_000, 13_000)}
DEFAULT_UTILITY = "labeling.simulation.utilities:concise"


class Command(ExampleCommand):
    help = "Collect labels from simulated labelers, train, evaluate, promote, and so on, N times."

    example = (
        "DATA_DIR=/tmp/loop manage.py loop --rounds 2 --preset tiny\n\n"
        "Without --url it starts a server and workers of its own on this DATA_DIR."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rounds", type=int, default=1)
        parser.add_argument("--preset", default="tiny", choices=sorted(LABELS))
        parser.add_argument("--rankings", type=int, help="of every round")
        parser.add_argument("--demonstrations", type=int, help="of the first round")
        parser.add_argument("--utility", default=DEFAULT_UTILITY, help="module:function")
        parser.add_argument("--url", help="a running server of this installation")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        self.say = (lambda line: None) if options["json"] else self.stdout.write
        rankings, demonstrations = LABELS[options["preset"]]
        options["rankings"] = options["rankings"] or rankings
        if options["demonstrations"] is None:
            options["demonstrations"] = demonstrations
        with _server(options) as url:  # which makes the tables where there are none yet
            _require_limit(options["preset"])
            rows = [self._turn(url, number, options) for number in range(1, options["rounds"] + 1)]
        if options["json"]:
            self.stdout.write(json.dumps({"rounds": rows}))
        else:
            self.stdout.write(table(rows))

    def _turn(self, url: str, number: int, options: Mapping[str, Any]) -> dict[str, Any]:
        """One turn of the loop: label, train, judge."""
        self.say(f"Round {number}: {options['rankings']} rankings by simulated labelers ...")
        labels = {
            "rankings": options["rankings"],
            "demonstrations": options["demonstrations"] if number == 1 else 0,
        }
        call_command(
            "simulate_labelers",
            url=url,
            utility=options["utility"],
            seed=number,
            json=True,
            stdout=StringIO(),
            **labels,
        )
        try:
            round = start_round(preset=options["preset"])
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        advance_rounds.delay()
        self.say(f"Round {number}: training ...")
        round = follow(round, self.say)
        if round.state != TrainingRound.State.FINISHED or round.policy is None:
            raise CommandError(f"{round} is {round.state}. {round.failure}".strip())
        self.say(f"Round {number}: comparing {round.policy} with {round.start} ...")
        return judged(round, options["utility"])


def _require_limit(preset: str) -> None:
    """Before anything is labeled, since what is labeled at another length serves no round."""
    try:
        require_one_limit(checked_recipe(preset, None))
    except Problem as problem:
        raise CommandError(str(problem.detail)) from problem


def judged(round: TrainingRound, utility: str) -> dict[str, Any]:
    """The row of a round: its policy against the base, by reward model and hidden preference."""
    assert round.policy is not None and round.snapshot is not None
    reward = runner.output_of(round, "reward")
    assert reward is not None
    rates = policy_vs_baseline.win_rates(
        EvaluationConfig.from_dict(round.recipe["evaluation"]),
        snapshot=round.snapshot.path,
        contest=policy_vs_baseline.Contest(round.policy.folder, round.start.folder, reward.folder),
        utility=import_string(utility.replace(":", ".")),
    )
    kl = rates.pop("kl")
    for judge, rate in rates.items():
        Evaluation.objects.create(
            version=round.policy,
            baseline=round.start,
            round=round,
            judge=judge,
            split="validation",
            figures={"win_rate": rate, "kl": kl},
        )
    return {
        "round": round.pk,
        "policy": round.policy.name,
        "promoted": round.policy.promotions.exists(),
        "asked": asked_policy(round),
        **rates,
    }


def asked_policy(round: TrainingRound) -> str:
    """The version whose completions the round's newest ranking compared."""
    assert round.snapshot is not None
    ranked = Completion.objects.filter(ranked__ranking__snapshots__snapshot=round.snapshot)
    newest = ranked.order_by("-ranked__ranking_id").select_related("version").first()
    return newest.version.name if newest and newest.version else ""


def table(rows: list[dict[str, Any]]) -> str:
    """The win rates against the base, one line a round."""
    head = f"{'Policy':<24} {'asked':<24} {'promoted':<9} {'win rate, reward model':<26} hidden"
    lines = [
        f"{row['policy']:<24} {row['asked']:<24} {'yes' if row['promoted'] else 'no':<9} "
        f"{_rate(row['reward']):<26} {_rate(row['gold'])}"
        for row in rows
    ]
    return "\n".join(["", head, *lines])


def _rate(rate: Mapping[str, float]) -> str:
    return f"{rate['value']:.0%} ({rate['low']:.0%} to {rate['high']:.0%}), n={rate['n']}"


def _server(options: Mapping[str, Any]) -> AbstractContextManager[str]:
    if options["url"]:
        return nullcontext(options["url"])
    # Enough tasks at once that the labelers never wait for the next refill.
    environment = {
        "RANKING_TASKS_READY": str(options["rankings"]),
        "DEMONSTRATION_TASKS_READY": str(max(12, options["demonstrations"])),
    }
    if options["preset"] == "tiny" and not os.environ.get("BASE_MODEL"):
        environment["BASE_MODEL"] = "tiny"
    return own_server(environment)
