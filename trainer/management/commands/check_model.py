"""`manage.py check_model`: tries a checkpoint as the product would use it; changes nothing."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.commands import ExampleCommand
from labeling.queues.sampling_settings import training_limit
from models_service.models import ModelVersion


class Command(ExampleCommand):
    help = (
        "Load a checkpoint, encode, sample, score one answer alone and among others, train one "
        "step of each stage, and say what works and what does not. Exit code 0 only if it can be "
        "policy and reward model."
    )

    example = (
        "manage.py check_model /models/my-base\n"
        "  manage.py check_model HuggingFaceTB/SmolLM2-135M-Instruct --json\n"
        "  manage.py check_model SmolLM2-135M-Instruct --prompt-tokens 1024 --response-tokens 512"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="a folder, a version's name, or a Hugging Face id")
        parser.add_argument("--prompt-tokens", type=int, default=128, help="longest prompt (128)")
        parser.add_argument("--response-tokens", type=int, help="longest response (MAX_NEW_TOKENS)")
        parser.add_argument("--json", action="store_true", help="one machine-readable result")

    def handle(self, **options: Any) -> None:
        from trainer.algorithms.check import Finding, check  # PyTorch, only where it is needed

        def tell(finding: Finding) -> None:
            if not options["json"]:
                mark = "ok " if finding.ok else "NO "
                self.stdout.write(f"{mark} {finding.title:<34} {finding.says}")

        version = ModelVersion.objects.local().filter(name=options["model"]).first()
        report = check(
            version.folder if version else options["model"],
            prompt_tokens=options["prompt_tokens"],
            response_tokens=options["response_tokens"] or training_limit(),
            tell=tell,
        )
        if options["json"]:
            self.stdout.write(json.dumps(report.to_dict()))
        if not report.accepted:
            raise CommandError(f"{options['model']} cannot be used. {report.refusal}")
        if not options["json"]:
            self.stdout.write(f"{options['model']} can be policy and reward model.")
