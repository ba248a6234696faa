"""Whether a checkpoint can be policy and reward model here: tried as the product would use it.

Nothing is assumed from a model's name and nothing is changed. Each of `checks` becomes a finding:
what was measured, and in one sentence what works or what to do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models_service.lm.chat import PromptRefused
from models_service.lm.checkpoint import CheckpointError, load_policy, save_policy
from trainer.algorithms.checks import CHECKS, NOTHING_WITHOUT, Check, Refused, Subject
from trainer.algorithms.contract import TrainingError


@dataclass(frozen=True)
class Finding:
    """What one check found; `measured` holds its figures."""

    name: str
    title: str
    ok: bool
    says: str
    measured: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All findings on a model. `facts` are what pages and later checks read: `context`, `layout`,
    `stop_tokens`, `pad_token`, and `refuses`, why each shape of conversation is refused, or ""."""

    model: str
    family: str
    findings: list[Finding]
    facts: dict[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether it can be policy and reward model."""
        return all(finding.ok for finding in self.findings)

    @property
    def refusal(self) -> str:
        """The first thing that stands against it, with what to do."""
        return next((finding.says for finding in self.findings if not finding.ok), "")

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "model": self.model,
            "family": self.family,
            "accepted": self.accepted,
            "findings": [asdict(finding) for finding in self.findings],
            "facts": self.facts,
        }


def check(
    source: Path | str,
    *,
    prompt_tokens: int = 128,
    response_tokens: int = 64,
    tell: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Try the checkpoint in a folder, or of a Hugging Face id, and tell each finding as it is made.

    The limits are those of the rounds that it is to be trained in. What follows a failure that
    would only fail again is left out.
    """
    findings: list[Finding] = []

    def found(finding: Finding) -> None:
        findings.append(finding)
        tell(finding)

    with tempfile.TemporaryDirectory() as copy:
        try:
            policy, tokenizer = load_policy(source)
        except CheckpointError as error:
            found(Finding("loads", "Loads", False, _sentence(error)))
            return Report(str(source), "", findings, {})
        folder = Path(source)
        if not folder.is_dir():  # of an id, once and not for each stage
            folder = Path(copy) / "model"
            save_policy(policy, tokenizer, folder)
        count = sum(weight.numel() for weight in policy.parameters())
        found(
            Finding(
                "loads",
                "Loads",
                True,
                f"{type(policy).__name__}, {count / 1e6:.3g} million weights.",
                {"parameters": float(count)},
            )
        )
        subject = Subject(folder, policy, tokenizer, prompt_tokens, response_tokens)
        for name, title, one in CHECKS:
            finding = _made(name, title, one, subject)
            found(finding)
            # The others go on after a failure: a model that cannot be PPO's may still be worth
            # knowing as a reward model, and one report should say all that is wrong.
            if not finding.ok and name in NOTHING_WITHOUT:
                break
    return Report(str(source), str(policy.config.model_type), findings, subject.facts)


def _made(name: str, title: str, one: Check, subject: Subject) -> Finding:
    try:
        says, measured = one(subject)
    except (Refused, CheckpointError, PromptRefused) as error:
        return Finding(name, title, False, _sentence(error))
    except TrainingError as error:
        # The trainers' advice ("lower the learning rate") is for a run of one's own, and here would
        # be wrong: only what happened is taken from it.
        what = str(error).partition(". ")[0].rstrip(".")
        return Finding(name, title, False, f"{title}: {what}. Choose another model.")
    except Exception as error:  # whatever a model throws is a reason not to take it
        said = f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(". ")
        return Finding(
            name, title, False, f"{title}: the model fails there ({said}). Choose another model."
        )
    return Finding(name, title, True, says, measured)


def _sentence(error: Exception) -> str:
    words = str(error).strip().rstrip(".")
    return f"{words[:1].upper()}{words[1:]}." if words else f"{type(error).__name__}."
