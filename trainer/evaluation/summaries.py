"""Reads of what was found out about versions: by labelers, by reward models, and as figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Max, Sum

from labeling.human_evaluation import results as told
from labeling.models import FormVersion, HeadToHead, LabelerProfile, UseCase
from labeling.work.rating_form import FIRST_FORM
from models_service.models import ModelVersion
from trainer.evaluation.results import Verdict, verdicts
from trainer.figures.data import Figure, Point, Series
from trainer.models import Evaluation

GROUP_TITLES = {"training": "Training labelers", "held_out": "Held-out labelers"}
REWARD_TITLE = "Reward model"
GOOD_FLAGS = frozenset({"satisfies_constraint"})
"""Flags that say something good; the others count against an answer when they get more frequent."""

_REMEMBER_SECONDS = 3600


def flag_titles() -> dict[str, str]:
    """Every flag that any form had, by name, in the newest form's words and order."""
    titles = {flag["name"]: flag["label"] for flag in FIRST_FORM["flags"]}
    for form in FormVersion.objects.order_by("version"):
        titles |= {flag["name"]: flag["label"] for flag in form.fields["flags"]}
    return titles


def verdicts_of(contest: HeadToHead) -> dict[str, Verdict]:
    """What labelers said so far, by group; worked out once for the same labels."""
    rankings = told.usable_rankings().filter(task__head_to_head=contest)
    labels = rankings.aggregate(n=Count("pk"), last=Max("pk"), sum=Sum("pk"))
    held_out = LabelerProfile.objects.filter(group=LabelerProfile.Group.HELD_OUT).count()
    key = f"verdicts:{contest.pk}:{labels['n']}:{labels['last']}:{labels['sum']}:{held_out}"
    found: dict[str, Verdict] | None = cache.get(key)
    if found is None:
        found = verdicts(told.judged(contest), contest.ladder, contest.baseline_id, flag_titles())
        cache.set(key, found, _REMEMBER_SECONDS)
    return found


def judged_by_reward(contest: HeadToHead) -> dict[int, dict[str, Any]]:
    """The reward model's figures of each version, as far as they were measured."""
    rows = Evaluation.objects.filter(head_to_head=contest, judge=Evaluation.Judge.REWARD)
    return dict(rows.values_list("version", "figures"))


def verdicts_by_name(contest: HeadToHead) -> dict[str, Any]:
    """Each judge's figures of each version by its name; of people, how many there are."""
    names = {version.pk: version.name for version in told.ladder_of(contest)}
    found: dict[str, Any] = {
        group: {
            "labels": verdict.labels,
            "labelers": verdict.labelers,
            "prompts": verdict.prompts,
            "versions": {names[pk]: figures for pk, figures in verdict.versions.items()},
        }
        for group, verdict in verdicts_of(contest).items()
    }
    if reward := judged_by_reward(contest):
        found["reward"] = {"versions": {names[pk]: figures for pk, figures in reward.items()}}
    return found


def contest_figures(contest: HeadToHead) -> list[Figure]:
    """Every figure of a head-to-head; those without a point are left out."""
    ladder = told.ladder_of(contest)
    found = _by_judge(contest)
    baseline = str(contest.baseline)
    made = [
        _ladder_figure(
            "win-rate", f"Win rate against {baseline}", "win_rate", ladder, found,
            x_title=f"Win rate against {baseline}, %", percent=True, reference=0.5, bounds=(0, 1),
            note="A tie counts half. The bars are 95 % intervals over prompts and labelers; the "
            "dashed line is even.",
        ),
        _ladder_figure(
            "length-controlled", "Win rate at equal lengths", "length_controlled_win_rate",
            ladder, found, x_title=f"Win rate against {baseline} at equal lengths, %",
            percent=True, reference=0.5, bounds=(0, 1),
            note="What a logistic regression on the difference in length predicts at none.",
        ),
        _ladder_figure(
            "bradley-terry", "Bradley–Terry scores", "bradley_terry", ladder, found,
            x_title=f"Log-odds of being preferred to {baseline}", reference=0.0,
            note="From every comparison; the bars are 95 % intervals over prompts and labelers.",
        ),
        _ladder_figure(
            "likert", "Mean quality", "likert", ladder, found,
            x_title="Mean rating, 1 to 7", bounds=(1, 7),
        ),
        _ladder_figure(
            "length", "Response length", "response_tokens", ladder,
            {REWARD_TITLE: found.get(REWARD_TITLE, {})} if REWARD_TITLE in found else found,
            x_title="Mean length, tokens",
        ),
        _ladder_figure(
            "score", "Reward model's score", "score", ladder, found,
            x_title="Mean score; demonstrations score 0", reference=0.0,
        ),
        _ladder_figure(
            "kl", f"Divergence from {baseline}", "kl", ladder, found,
            x_title="KL, nats a response",
            note="Answers are kept as text and tokenised again, which blurs this a little; a "
            "round's own evaluation measures it on the tokens themselves.",
        ),
        _use_cases(contest, ladder, found),
        *_flags(ladder, found),
    ]  # fmt: skip
    return [figure for figure in made if not figure.empty]


def _by_judge(contest: HeadToHead) -> dict[str, Mapping[int, Mapping[str, Any]]]:
    """Figures of each version by the title of who judged."""
    found: dict[str, Mapping[int, Mapping[str, Any]]] = {
        GROUP_TITLES[group]: verdict.versions for group, verdict in verdicts_of(contest).items()
    }
    reward = judged_by_reward(contest)
    return found | ({REWARD_TITLE: reward} if reward else {})


def _ladder_figure(
    name: str,
    title: str,
    figure: str,
    ladder: Iterable[ModelVersion],
    found: Mapping[str, Mapping[int, Mapping[str, Any]]],
    **looks: Any,
) -> Figure:
    """One estimate of every version, a series a judge."""
    series = [
        Series(
            judge,
            [
                point(version.name, figures[version.pk][figure])
                for version in ladder
                if figure in figures.get(version.pk, {})
            ],
        )
        for judge, figures in found.items()
    ]
    return Figure(
        name,
        title,
        looks.pop("x_title"),
        "Version",
        [one for one in series if one.points],
        shape="rows",
        **looks,
    )


def _use_cases(
    contest: HeadToHead,
    ladder: Iterable[ModelVersion],
    found: Mapping[str, Mapping[int, Mapping[str, Any]]],
) -> Figure:
    """Win rate of each version in each use case, by all training labelers."""
    figures = found.get(GROUP_TITLES["training"]) or found.get(GROUP_TITLES["held_out"]) or {}
    series = [
        Series(
            version.name,
            [
                point(str(label), figures[version.pk][f"win_rate_in_{use_case}"])
                for use_case, label in UseCase.choices
                if f"win_rate_in_{use_case}" in figures.get(version.pk, {})
            ],
        )
        for version in ladder
    ]
    who = "Training" if GROUP_TITLES["training"] in found else "Held-out"
    return Figure(
        "use-cases",
        "Win rate by use case",
        f"Win rate against {contest.baseline}, %",
        "Use case",
        [one for one in series if one.points],
        f"{who} labelers. Few prompts of a use case give a wide interval.",
        percent=True,
        reference=0.5,
        bounds=(0, 1),
        shape="rows",
    )


def _flags(
    ladder: Iterable[ModelVersion], found: Mapping[str, Mapping[int, Mapping[str, Any]]]
) -> list[Figure]:
    """How often each flag was set and how much more often than by the baseline, a series a version.

    Flags that nobody set are left out.
    """
    figures = []
    for group, title in GROUP_TITLES.items():
        by_version = found.get(title, {})
        seen = [
            (flag, label)
            for flag, label in flag_titles().items()
            if any(one.get(f"flag_{flag}", {}).get("value") for one in by_version.values())
        ]
        for name, suffix, what in (
            ("flags", "", "Answers with the flag, %"),
            ("flag-rises", "_rise", "More than the baseline, percentage points"),
        ):
            series = [
                Series(
                    version.name,
                    [
                        point(label, by_version[version.pk][f"flag_{flag}{suffix}"])
                        for flag, label in seen
                        if f"flag_{flag}{suffix}" in by_version.get(version.pk, {})
                    ],
                )
                for version in ladder
            ]
            figures.append(
                Figure(
                    f"{name}-{group.replace('_', '-')}",
                    f"{'Rise of flags' if suffix else 'Flags'}, {title.lower()}",
                    what,
                    "Flag",
                    [one for one in series if one.points],
                    "Flags that nobody set are left out.",
                    percent=True,
                    reference=0.0 if suffix else None,
                    shape="rows",
                )
            )
    return figures


def point(x: str | float, found: Mapping[str, Any]) -> Point:
    """A stored figure as a point of a drawing."""
    return Point(x, found["value"], found.get("low"), found.get("high"), found.get("n"))
