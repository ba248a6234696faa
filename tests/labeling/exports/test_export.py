"""`manage.py export`, and the rows a snapshot is made of."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from labeling.exports.pseudonym_key import export_key
from labeling.exports.training_rows import (
    few_shot_examples,
    training_demonstrations,
    training_rankings,
)
from labeling.models import Demonstration, ExportKey, LabelerProfile, Prompt, Ranking
from labeling.people.agreement_reads import agreement_of, agreement_of_all
from labeling.work.guidelines import publish_guideline
from labeling.work.home import done, home_counts
from models_service.models import ModelVersion

Call = Callable[..., Any]


@pytest.fixture
def label(claim: Call, api: Call, ranking_of: Call) -> Call:
    """`label(ada)`: rank the next task as it lies, the first two tied."""

    def call(user: User, kind: str = "ranking") -> None:
        held = claim(user, kind)
        body = ranking_of(held) if kind == "ranking" else {"text": "So it is."}
        response = api(user, f"assignments/{held['id']}/submit/", body)
        assert response.status_code == 200, response.content

    return call


@pytest.fixture
def export(tmp_path: Path) -> Call:
    """`export("pairs", "trl", "--round", "3")`: the rows and the manifest."""

    def call(what: str, form: str = "jsonl", *options: str) -> tuple[list[Any], Any]:
        path, out = tmp_path / "out.jsonl", StringIO()
        call_command(
            "export", what, "--format", form, *options, "--out", str(path), "--json", stdout=out
        )
        data = path.read_bytes()
        manifest = json.loads(out.getvalue())
        assert manifest["sha256"] == hashlib.sha256(data).hexdigest()
        return [json.loads(line) for line in data.splitlines()], manifest

    return call


def test_rankings_leave_whole(ada: User, make_task: Call, label: Call, export: Call) -> None:
    task = make_task()
    task.completions.filter(position=2).update(finish_reason="length")
    label(ada)
    [row], manifest = export("rankings")
    assert row["finished"] == [True, True, False, True]
    texts = list(task.completions.values_list("text", flat=True))
    assert row["completions"] == texts
    ranks = dict(Ranking.objects.get().ranked.values_list("completion__text", "rank"))
    assert row["ranks"] == [ranks[text] for text in texts]
    assert (row["ratings"], row["flags"]) == ([4] * 4, [["hallucination"]] * 4)
    assert (row["policies"], manifest["rows"]) == (["secret-model"] * 4, 1)
    assert set(row) == set(manifest["schema"])


def test_a_labeler_leaves_under_a_name_that_stays(
    ada: User, make_task: Call, label: Call, export: Call
) -> None:
    make_task("demonstration")
    make_task()
    label(ada)
    label(ada, "demonstration")
    [[ranking], _], [[demonstration], _] = export("rankings"), export("demonstrations")
    name = hmac.new(export_key(), str(ada.pseudonym).encode(), hashlib.sha256).hexdigest()
    assert ranking["labeler"] == demonstration["labeler"] == f"labeler-{name[:24]}"
    assert str(ada.pseudonym) not in json.dumps([ranking, demonstration])
    assert export_key().decode() not in ExportKey.objects.get().sealed


def test_ties_give_no_pair(ada: User, make_task: Call, label: Call, export: Call) -> None:
    make_task(k=4)
    label(ada)
    rows, _ = export("pairs", "trl")
    assert len(rows) == 5
    assert set(rows[0]) == {"prompt", "chosen", "rejected", "margin"}


def test_demonstrations_end_with_the_assistant(
    ada: User, make_task: Call, label: Call, export: Call
) -> None:
    make_task("demonstration")
    label(ada, "demonstration")
    [row], _ = export("demonstrations", "chat")
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]


def test_held_out_labelers_and_other_splits_stay(
    ada: User, make_task: Call, label: Call, export: Call
) -> None:
    LabelerProfile.objects.create(user=ada, group="held_out")
    make_task(split="validation")
    label(ada)
    assert export("rankings")[0] == export("rankings", "jsonl", "--split", "validation")[0] == []
    [row] = training_rankings()
    assert (row["group"], row["split"]) == ("held_out", "validation")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("what", "options", "reason"),
    [
        ("rankings", ["--format", "trl"], "there is whole or kto; trl is one of demonstrations"),
        ("rankings", ["--split", "test"], "test split stays to measure"),
        ("rankings", ["--group", "held_out"], "held-out labelers say stays to measure"),
        ("rankings", ["--split", "all"], "one of train, validation"),
        ("rankings", ["--round", "9"], "Round 9 does not exist"),
        ("rankings", ["--guideline", "9"], "no version 9"),
        ("rankings", ["--policy", "nobody"], "no model version 'nobody'"),
        ("demonstrations", ["--policy", "secret-model"], "no policy takes part"),
        ("rankings", ["--since", "yesterday"], "since must be a day or a moment"),
        ("rankings", ["--use-case", "poems"], "'poems' is unknown"),
        ("rankings", ["--out", "/nowhere/at/all"], "cannot be written"),
    ],
)
def test_it_refuses_what_it_cannot_or_must_not_do(
    what: str, options: list[str], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("export", what, "--out", str(tmp_path / "x"), *options)
    assert list(tmp_path.iterdir()) == []


def test_filters_choose_by_guideline_policy_and_time(
    ada: User, make_task: Call, label: Call, export: Call
) -> None:
    make_task()
    label(ada)
    other = ModelVersion.objects.create(name="other", kind="base", checkpoint="nowhere")
    guideline = Ranking.objects.get().guideline
    assert guideline is None
    first = publish_guideline(kind="ranking", purpose="training", text="Rank them.")
    Ranking.objects.update(guideline=first)
    publish_guideline(kind="ranking", purpose="training", text="Rank them well.")
    for options, count in (
        (("--guideline", "1"), 1),
        (("--guideline", "2"), 0),
        (("--policy", "secret-model"), 1),
        (("--policy", other.name), 0),
        (("--since", "2020-01-01T00:00:00Z", "--use-case", "other"), 1),
        (("--until", "2020-01-01T00:00:00Z"), 0),
    ):
        assert len(export("rankings", "whole", *options)[0]) == count, options


def test_excluded_labels_and_withdrawn_prompts_are_left_out(
    ada: User, make_task: Call, label: Call
) -> None:
    for kind in ("demonstration", "ranking"):
        make_task(kind)
        label(ada, kind)
    Demonstration.objects.update(excluded_at="2026-01-01T00:00Z")
    Prompt.objects.update(state="withdrawn")
    for rows in (training_demonstrations(), training_rankings()):
        assert list(rows) == []


def test_unknown_filters_are_refused(db: None) -> None:
    with pytest.raises(ValueError, match="Unknown filter 'colour'"):
        next(training_rankings({"colour": "red"}))


def test_filters_choose_by_use_case_and_time(ada: User, make_task: Call, label: Call) -> None:
    make_task(use_case="chat")
    label(ada)
    assert len(list(training_rankings({"use_cases": ["chat"]}))) == 1
    assert list(training_rankings({"use_cases": ["rewrite"]})) == []
    assert list(training_rankings({"until": "2020-01-01T00:00:00Z"})) == []


def test_few_shot_prompts_of_our_own_become_examples(db: None) -> None:
    from labeling.demo.seed import seed_demo

    seed_demo()
    rows = list(few_shot_examples())
    prompts = Prompt.objects.filter(kind="few_shot")
    assert len(rows) == sum(len(prompt.examples) for prompt in prompts) > 30


def test_agreement_is_read_from_overlapping_rankings(
    ada: User, ben: User, make_task: Call, claim: Call, api: Call, ranking_of: Call
) -> None:
    make_task(overlap=2)
    for user, turned in ((ada, False), (ben, True)):
        held = claim(user)
        ids = sorted(completion["id"] for completion in held["completions"])
        body = ranking_of(held, ranking=[[item] for item in (ids[::-1] if turned else ids)])
        api(user, f"assignments/{held['id']}/submit/", body)
    assert (agreement_of_all().agreed, agreement_of(ada).total) == (0, 6)


def test_the_home_page_counts_what_waits_and_what_is_done(
    ada: User, make_task: Call, label: Call, claim: Call
) -> None:
    for _ in range(3):
        make_task()
    label(ada)
    held = claim(ada)
    ranking = {row.kind: row for row in home_counts(ada)}["ranking"]
    assert (ranking.waiting, ranking.held.pk) == (1, held["id"])
    assert (done(ada).today, done(ada, kind="demonstration").week) == (1, 0)
