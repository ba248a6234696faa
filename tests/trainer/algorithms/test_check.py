"""check_model: what it accepts works, what cannot work it refuses in a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import torch
from django.core.management import call_command
from django.core.management.base import CommandError

from models_service.lm.checkpoint import save_policy
from models_service.lm.tiny import byte_tokenizer, tiny_model
from tests.families import FAMILIES, PACKED, make
from tests.shared_data import case
from trainer.algorithms.check import Report, check
from trainer.algorithms.checks import CHECKS, TOLERANCE

TOKENIZER = byte_tokenizer()


def checked(folder: Path, model: torch.nn.Module, **limits: int) -> Report:
    save_policy(model, byte_tokenizer(), folder)  # type: ignore[arg-type]
    return check(folder, **limits)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_accepted_with_the_same_scores_everywhere(
    family: str, tmp_path: Path
) -> None:
    report = checked(tmp_path / "model", make(family, len(TOKENIZER)))
    assert report.accepted, report.refusal
    assert [finding.name for finding in report.findings][1:] == [name for name, *_ in CHECKS]
    assert report.facts["layout"] == PACKED[family]
    [scores] = [finding.measured for finding in report.findings if finding.name == "scores"]
    assert set(scores) == {"packed", "ppo", "playground"} and max(scores.values()) < TOLERANCE


def test_the_zoo_of_small_models_is_accepted(tmp_path: Path) -> None:
    """Tokenizers of every habit: begun twice, ended of their own accord, flagged as nothing."""
    made = subprocess.run(
        [sys.executable, str(case("models/zoo.py")), str(tmp_path)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr[-2000:]
    folders = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    assert len(folders) == 15
    reports = {folder.name: check(folder) for folder in folders}
    assert {name: report.refusal for name, report in reports.items() if not report.accepted} == {}
    assert reports["chatml_notspecial"].facts["stop_tokens"] == ["<|im_end|>", "<|endoftext|>"]
    assert reports["llama3"].facts["stop_tokens"] == ["<|eot_id|>", "<|end_of_text|>"]
    assert "System role not supported" in reports["gemma2"].facts["refuses"]["system"]
    assert reports["qwen2"].facts["refuses"]["user,user"] == ""


def test_a_context_that_is_too_short_is_refused_with_the_number_to_set(tmp_path: Path) -> None:
    model = make("gpt2", len(TOKENIZER))
    report = checked(tmp_path / "model", model, prompt_tokens=480, response_tokens=64)
    assert not report.accepted
    assert "reads 512 tokens in all" in report.refusal
    assert "lower max_prompt_tokens to 448" in report.refusal


def test_what_is_no_policy_says_why(tmp_path: Path) -> None:
    report = check(tmp_path)
    assert [finding.ok for finding in report.findings] == [False]
    assert "no config.json" in report.refusal


def test_a_model_whose_weights_are_not_numbers_is_refused(tmp_path: Path) -> None:
    model = tiny_model(len(TOKENIZER))
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = torch.nan
    report = checked(tmp_path / "model", model)
    assert not report.accepted and report.refusal


def test_a_template_that_ends_its_own_prompt_is_refused(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] + '<stop>' }}{% endfor %}"
    )
    save_policy(tiny_model(len(tokenizer)), tokenizer, tmp_path / "model")
    report = check(tmp_path / "model")
    assert "ends with a token that ends replies" in report.refusal


def test_the_command_tells_findings_and_exits_by_the_verdict(tmp_path: Path, db: None) -> None:
    folder = tmp_path / "model"
    save_policy(tiny_model(len(TOKENIZER)), byte_tokenizer(), folder)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    out = StringIO()
    call_command("check_model", str(folder), stdout=out)
    assert "can be policy and reward model" in out.getvalue()
    out = StringIO()
    call_command("check_model", str(folder), json=True, stdout=out)
    assert json.loads(out.getvalue())["accepted"] is True
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    with pytest.raises(CommandError, match="reads 1024 tokens"):
        call_command("check_model", str(folder), prompt_tokens=2000, stdout=StringIO())
