"""Storing a ranking: every completion rated, all of them ordered, ties allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from core.problems import Problem
from labeling.models import Assignment, RankedCompletion, Ranking
from labeling.people.disagreement import measure
from labeling.queues.open_slots import profile_of
from labeling.work.contradictions import Placed, contradictions
from labeling.work.guidelines import current_form
from labeling.work.preferences import ranks_of
from labeling.work.rating_form import flag_names

Errors = dict[str, list[str]]

FIELDS = ("ranking", "ratings")


def store(
    assignment: Assignment,
    body: Mapping[str, Any],
    active_seconds: int,
    supersedes: Ranking | None = None,
) -> Ranking:
    """Check `{"ranking": [[id]], "ratings": {id: {"overall", "flags"}}}` and keep it.

    Raises Problem 400 that names each field.
    """
    # Handed out before forms were kept with assignments: the newest.
    form = assignment.form or current_form()
    ids = {str(completion) for completion in assignment.display_order}
    errors = _ranking_errors(body.get("ranking"), ids)
    errors |= _rating_errors(body.get("ratings"), ids, flag_names(form.fields))
    if errors:
        raise Problem(400, "The ranking cannot be stored as it is.", errors=errors)
    ranks = ranks_of([[int(item) for item in tier] for tier in body["ranking"]])
    placed = [
        RankedCompletion(
            completion_id=item,
            rank=rank,
            overall=body["ratings"][str(item)]["overall"],
            flags=sorted(body["ratings"][str(item)].get("flags", [])),
        )
        for item, rank in ranks.items()
    ]
    ranking = Ranking.objects.create(
        assignment=assignment,
        task=assignment.task,
        labeler_id=assignment.labeler_id,
        group=profile_of(assignment.labeler).group,
        prompt_id=cast(int, assignment.task.prompt_id),  # which these kinds have
        guideline_id=assignment.guideline_id,
        form=form,
        display_order=assignment.display_order,
        active_seconds=active_seconds,
        contradictions=contradictions(cast(list[Placed], placed)),  # each is rated: the form asks
        too_fast=active_seconds < assignment.reading_seconds,
        supersedes=supersedes,
    )
    for one in placed:
        one.ranking = ranking
    RankedCompletion.objects.bulk_create(placed)
    measure(assignment.task_id)
    return ranking


def outcomes(assignment: Assignment) -> list[Ranking]:
    """Every version of the ranking, the newest first."""
    rows = Ranking.objects.filter(assignment=assignment).select_related("form", "guideline")
    return list(rows.prefetch_related("ranked__completion").order_by("-pk"))


def _ranking_errors(tiers: Any, ids: set[str]) -> Errors:
    if not isinstance(tiers, list) or not all(isinstance(tier, list) and tier for tier in tiers):
        return {"ranking": ["Must be a list of lists of completion ids, best first."]}
    named = Counter(str(item) for tier in tiers for item in tier)
    sentences = [
        f"Completion {_cut(item)} is not part of this task." for item in named.keys() - ids
    ]
    sentences += [
        f"Completion {_cut(item)} is named {n} times." for item, n in named.items() if n > 1
    ]
    sentences += [f"Completion {item} is missing." for item in sorted(ids - named.keys())]
    return {"ranking": sentences} if sentences else {}


def _rating_errors(ratings: Any, ids: set[str], flags: set[str]) -> Errors:
    if not isinstance(ratings, dict):
        return {"ratings": ["Must be an object: a rating for each completion's id."]}
    errors: Errors = {}
    for item in ratings.keys() - ids:
        errors[f"ratings.{_cut(item)}"] = ["This completion is not part of this task."]
    for item in sorted(ids):
        errors |= _errors_of_one(f"ratings.{item}", ratings.get(item), flags)
    return errors


def _errors_of_one(name: str, rating: Any, flags: set[str]) -> Errors:
    if not isinstance(rating, dict):
        return {name: ["This completion is not rated."]}
    errors: Errors = {}
    overall = rating.get("overall")
    if isinstance(overall, bool) or not isinstance(overall, int) or not 1 <= overall <= 7:
        errors[f"{name}.overall"] = ["Must be a whole number from 1 to 7."]
    chosen = rating.get("flags", [])
    if not isinstance(chosen, list) or not all(isinstance(flag, str) for flag in chosen):
        errors[f"{name}.flags"] = ["Must be a list of flag names."]
    elif unknown := set(chosen) - flags:
        errors[f"{name}.flags"] = [f"Unknown: {', '.join(_cut(flag) for flag in sorted(unknown))}."]
    elif len(set(chosen)) < len(chosen):
        errors[f"{name}.flags"] = ["A flag is named twice."]
    return errors


def _cut(item: object) -> str:
    """A stranger's text, short enough to be repeated in an answer."""
    return repr(str(item)[:40])
