"""Measurements as jobs: asked for on a page or over the API, done by a worker, shown afterwards.

Two kinds: what a reward model makes of the answers in a head-to-head, stored as evaluations beside
the labelers' own verdict; and how good a reward model is itself (`diagnosis`).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.models import User
from core.jobs import Lost, Stopped
from core.problems import Problem
from labeling.human_evaluation import results as told
from labeling.human_evaluation.evaluations import close_head_to_head
from labeling.intervals import Clusters, mean, rate
from labeling.label_filters import usable
from labeling.models import Completion, Demonstration, HeadToHead, LabelerProfile, Prompt, Ranking
from models_service.models import Kind, ModelVersion, Promotion
from models_service.selectors import promoted
from trainer.evaluation.results import Figures, figure
from trainer.evaluation.reward_diagnosis import diagnosis, scored_pairs
from trainer.evaluation.summaries import verdicts_of
from trainer.jobs import MEASUREMENTS
from trainer.models import Evaluation, Measurement
from trainer.runs import runner

State = Measurement.State
Judge = Evaluation.Judge
Report = Callable[[int], None]
Text = TypeVar("Text", Completion, Completion | Demonstration)

logger = logging.getLogger(__name__)

MOST_RANKINGS = 1000
"""Of each split, the newest; a diagnosis of a small model stays within minutes."""
MOST_TEXTS = 300


@transaction.atomic
def request_diagnosis(*, reward: ModelVersion, by: User | None = None) -> Measurement:
    """Ask a worker how good this reward model is. Raises Problem for another kind of version."""
    if reward.kind != Kind.REWARD:
        raise Problem(400, f"{reward} is no reward model, so there is nothing to diagnose.")
    _require_weights(reward)
    return _queued(Measurement.objects.filter(reward=reward, head_to_head=None)) or (
        Measurement.objects.create(reward=reward, requested_by=by)
    )


@transaction.atomic
def request_measurement(*, contest: HeadToHead, by: User | None = None) -> Measurement:
    """Ask a worker for the figures of a head-to-head, by the promoted reward model if any."""
    reward = promoted(Promotion.Role.REWARD)
    return _queued(Measurement.objects.filter(head_to_head=contest)) or (
        Measurement.objects.create(head_to_head=contest, reward=reward, requested_by=by)
    )


def close_contest(*, contest: HeadToHead, by: User | None = None) -> Measurement:
    """Ask labelers for no more, and a worker for the figures. Raises Problem when it is closed."""
    if measurement := _close(contest, by):
        return measurement
    raise Problem(409, f"{contest} was closed already.")


def perform(pk: int) -> bool:
    """Measure, unless another worker does; whether this call did."""
    measurement = MEASUREMENTS.claim(pk, done=0)
    if measurement is None:
        return False
    try:
        with MEASUREMENTS.beating(measurement):
            figures = _measured(measurement)
    except Stopped:
        MEASUREMENTS.release(measurement)
    except Lost:
        pass  # whoever has it now goes on
    except Exception as error:  # whatever it dies of is told to the researcher
        logger.exception("%s failed", measurement)
        MEASUREMENTS.fail(measurement, runner.explain(error))
    else:
        MEASUREMENTS.finish(measurement, figures=figures, ended_at=Now())
    return True


def tend() -> list[int]:
    """Close head-to-heads whose labels are all there; ids of measurements nobody works on."""
    asked = []
    for contest in HeadToHead.objects.filter(closed_at=None):
        progress = told.progress(contest)
        if progress.done and progress.given and (measurement := _close(contest)):
            asked.append(measurement.pk)
    return asked + MEASUREMENTS.lost()


@transaction.atomic
def _close(contest: HeadToHead, by: User | None = None) -> Measurement | None:
    """None where somebody closed it meanwhile."""
    closed = close_head_to_head(contest, by=by)
    return request_measurement(contest=contest, by=by) if closed else None


def _measured(measurement: Measurement) -> dict[str, Any]:
    def report(done: int) -> None:
        MEASUREMENTS.report(measurement, done=done)

    def begin(total: int) -> None:
        MEASUREMENTS.report(measurement, total=total)

    if measurement.head_to_head:
        return _contest_figures(measurement.head_to_head, measurement.reward, begin, report)
    assert measurement.reward is not None, "a constraint of the table"
    return _diagnosed(measurement.reward, begin, report)


def _contest_figures(
    contest: HeadToHead, reward: ModelVersion | None, begin: Report, report: Report
) -> dict[str, Any]:
    """Store an evaluation for every version by every judge there is; says what could not be."""
    for group, verdict in verdicts_of(contest).items():
        judge = Judge.HELD_OUT if group == LabelerProfile.Group.HELD_OUT else Judge.LABELERS
        for version, figures in verdict.versions.items():
            _store(contest, version, judge, figures)
    rows = Completion.objects.filter(task__head_to_head=contest)
    answers = list(rows.select_related("task__prompt").order_by("pk"))
    begin(len(answers))
    if reward is None or reward.weights_removed_at:
        return {"without": "No reward model is promoted, so none judged the answers."}
    scores = _scores(reward, answers, report)
    by_version = _by_version(contest, scores)
    for pk, divergence in _divergences(contest, answers).items():
        by_version[pk] |= {"kl": divergence}
    report(len(answers))
    for pk, found in by_version.items():
        _store(contest, pk, Judge.REWARD, found)
    return {"reward": reward.name, "answers_refused": len(answers) - len(scores)}


def _by_version(contest: HeadToHead, scores: Mapping[Completion, float]) -> dict[int, Figures]:
    """The reward model's figures of every version: win rate over the baseline, scores, lengths."""
    by_task: dict[int, dict[int | None, Completion]] = defaultdict(dict)
    for answer in scores:
        by_task[answer.task_id][answer.version_id] = answer
    found = {}
    for version in contest.ladder:
        mine = [answer for answer in scores if answer.version_id == version]
        figures = {
            "score": _mean(mine, [scores[answer] for answer in mine]),
            "response_tokens": _mean(mine, [answer.completion_tokens for answer in mine]),
        }
        met = [
            (both[version], both[contest.baseline_id])
            for both in by_task.values()
            if version != contest.baseline_id and {version, contest.baseline_id} <= both.keys()
        ]
        outcomes = [
            float(scores[one] > scores[other]) + 0.5 * (scores[one] == scores[other])
            for one, other in met
        ]
        if met:
            mine = [one for one, _ in met]
            figures["win_rate"] = figure(rate(outcomes, _clusters(mine)), len(met))
        found[version] = {name: value for name, value in figures.items() if value}
    return found


def _divergences(contest: HeadToHead, answers: Sequence[Completion]) -> dict[int, Figures]:
    """KL from the baseline, nats a response, of the local versions that share its vocabulary.

    What a best-of version says is chosen, with a probability that its weights do not tell: of one
    and from one there is none.
    """
    from trainer.evaluation.text_scoring import (  # PyTorch, only where it is needed
        Speaker,
        divergences,
    )

    versions = {
        version.pk: version
        for version in told.ladder_of(contest)
        if version.is_local and version.best_of == 1 and version.folder.is_dir()
    }
    found: dict[int, Figures] = {}
    baseline = versions.pop(contest.baseline_id, None)
    if baseline is None:
        return found
    for pk, version in versions.items():
        mine = [answer for answer in answers if answer.version_id == pk]
        values = (
            divergences(
                Speaker(version.folder, version.prefix),
                Speaker(baseline.folder, baseline.prefix),
                [_said(answer) for answer in mine],
            )
            if mine
            else None
        )
        if values and (kl := _mean(mine, values)):
            found[pk] = kl
    return found


def _diagnosed(reward: ModelVersion, begin: Report, report: Report) -> dict[str, Any]:
    rankings = [*_newest_rankings("validation"), *_newest_rankings("train")]
    rows = list(told.judged_in(Ranking.objects.filter(pk__in=rankings)))
    wanted = {row.completion for row in rows} | set(_newest_answers(reward))
    answers = list(
        Completion.objects.filter(pk__in=wanted)
        .select_related("task__prompt", "version")
        .order_by("pk")
    )
    written = list(
        usable(Demonstration.objects.select_related("prompt")).order_by("-pk")[:MOST_TEXTS]
    )
    begin(len(answers) + len(written))
    texts: list[Completion | Demonstration] = [*answers, *written]
    scores = _scores(reward, texts, report)
    by_completion = {answer.pk: scores[answer] for answer in answers if answer in scores}
    rows = [row for row in rows if row.completion in by_completion]
    splits = dict(
        Prompt.objects.filter(pk__in={row.prompt for row in rows}).values_list("pk", "split")
    )
    people = User.objects.in_bulk({row.labeler for row in rows if isinstance(row.labeler, int)})
    pseudonyms = {row.labeler: str(row.labeler) for row in rows}
    pseudonyms |= {pk: str(person.pseudonym) for pk, person in people.items()}
    found = diagnosis(scored_pairs(rows, splits, by_completion), pseudonyms)
    heaps: dict[str, list[float]] = defaultdict(list)
    for answer, value in scores.items():
        heaps[_heap(answer)].append(round(value, 4))
    return found | {
        "scores": {name: values for name, values in heaps.items() if values},
        "rankings": len(rankings),
        "most_rankings": MOST_RANKINGS,
        "answers_refused": len(texts) - len(scores),
    }


def _heap(answer: Text) -> str:
    if isinstance(answer, Demonstration):
        return "Demonstrations"
    return answer.version.name if answer.version else "Imported answers"


def _newest_rankings(split: str) -> list[int]:
    rows = usable(Ranking.objects.filter(prompt__split=split)).order_by("-pk")
    return list(rows.values_list("pk", flat=True)[:MOST_RANKINGS])


def _newest_answers(reward: ModelVersion) -> Iterable[int]:
    """Answers of the policies that learned beside or from this reward model."""
    family = ModelVersion.objects.filter(
        Q(run__round__runs__output=reward) | Q(run__round__reward=reward)
    ).exclude(kind=Kind.REWARD)
    for version in family.distinct():
        rows = Completion.objects.filter(version=version).order_by("-pk")
        yield from rows.values_list("pk", flat=True)[:MOST_TEXTS]


def _scores(reward: ModelVersion, answers: Sequence[Text], report: Report) -> dict[Text, float]:
    """The scores of all answers but those whose conversation the reward model cannot be told."""
    from trainer.evaluation.text_scoring import reward_scores  # PyTorch, only where it is needed

    said = reward_scores(reward.folder, [_said(answer) for answer in answers], report)
    found = zip(answers, said, strict=True)
    return {answer: value for answer, value in found if value is not None}


def _said(answer: Completion | Demonstration) -> Any:
    from models_service.lm.reading import Said

    if isinstance(answer, Demonstration):
        return Said(answer.prompt.messages, answer.text, finished=True)
    return Said(answer.task.asked.messages, answer.text, answer.finished)


def _store(contest: HeadToHead, version: int, judge: str, figures: Figures) -> None:
    against = contest.baseline_id if version != contest.baseline_id else None
    Evaluation.objects.update_or_create(
        head_to_head=contest,
        version_id=version,
        judge=judge,
        defaults={"baseline_id": against, "split": contest.split, "figures": figures},
    )


def _mean(answers: Sequence[Completion], values: Sequence[float]) -> Figures | None:
    return figure(mean(values, _clusters(answers)), len(values))


def _clusters(answers: Sequence[Completion]) -> Clusters:
    """By prompt alone: no labeler has to do with it."""
    return Clusters.of([answer.task.asked.pk for answer in answers], [0] * len(answers))


def _require_weights(version: ModelVersion) -> None:
    if version.weights_removed_at or not version.folder.is_dir():
        raise Problem(409, f"The weights of {version} are not on this machine any more.")


def _queued(same: QuerySet[Measurement]) -> Measurement | None:
    """One that waits already: a second press of the button asks for nothing new."""
    return same.filter(state__in=[State.QUEUED, State.RUNNING]).first()
