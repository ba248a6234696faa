"""Starting a round: its recipe, versions and labels are checked, then it is queued."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import connection, transaction

from accounts.audit import Act, record
from accounts.models import User
from core.problems import Problem, refuse
from labeling.origins import unknown_origins
from labeling.queues.sampling_settings import training_limit
from models_service import services as versions
from models_service.check_reports import refusal
from models_service.lm.context import context_of
from models_service.models import ModelVersion, Promotion
from models_service.selectors import check_report, promoted
from trainer.algorithms.config import ConfigError
from trainer.algorithms.room import too_long
from trainer.algorithms.stages import STAGES
from trainer.data.snapshots import count_labels, totals_of
from trainer.models import DatasetSnapshot, TrainingRound, TrainingRun
from trainer.rounds.estimates import over_memory
from trainer.rounds.recipes import Recipe, preset_recipe


@transaction.atomic
def start_round(
    *,
    preset: str,
    recipe: Mapping[str, Any] | None = None,
    start: ModelVersion | None = None,
    reward: ModelVersion | None = None,
    snapshot: DatasetSnapshot | None = None,
    by: User | None = None,
    name: str = "",
) -> TrainingRound:
    """Queue a round: a preset with the recipe's changes, from `start` or the policy's own base.

    `reward` stands in for a reward stage that the recipe leaves out, `snapshot` for labels frozen
    anew. Raises Problem naming every setting that cannot be used, and when there are too few
    labels.
    """
    complete, chosen = checked_start(
        preset=preset, recipe=recipe, start=start, reward=reward, snapshot=snapshot
    )
    _let_numbers_follow()
    round = TrainingRound.objects.create(
        name=name,
        preset=preset,
        recipe=complete.to_dict(),
        seed=complete.seed,
        start=chosen,
        reward=reward,
        snapshot=snapshot,
        started_by=by,
    )
    record(act=Act.ROUND_STARTED, by=by, target=round, detail={"preset": preset})
    return round


@transaction.atomic
def checked_start(
    *,
    preset: str,
    recipe: Mapping[str, Any] | None = None,
    start: ModelVersion | None = None,
    reward: ModelVersion | None = None,
    snapshot: DatasetSnapshot | None = None,
) -> tuple[Recipe, ModelVersion]:
    """The complete recipe and the version a round would start from. Raises Problem."""
    complete = checked_recipe(preset, recipe, given=["reward"] if reward else [])
    chosen = start or default_start()
    _require_trainable("start", chosen)
    _require_own_answers(chosen)
    _require_approved(chosen)
    require_one_limit(complete)
    if reward:
        _require_trainable("reward_model", reward)
        _require_same_limit(complete, reward)
    if snapshot and snapshot.erased_at:
        sentence = f"{snapshot} was destroyed because a person in it was erased; freeze anew."
        refuse("snapshot", sentence, 409)
    _require_context(complete, chosen, reward)
    _require_labels(complete, totals_of(snapshot) if snapshot else count_labels(complete.labels))
    _require_memory(complete, chosen)
    return complete, chosen


def checked_recipe(
    preset: str, changes: Mapping[str, Any] | None, *, given: Collection[str] = ()
) -> Recipe:
    """The preset with its changes. Raises Problem naming everything in it that cannot be used."""
    try:
        recipe = preset_recipe(preset, changes, given=given)
    except ConfigError as error:
        raise Problem(400, str(error), errors=error.errors) from error
    policies = recipe.labels.get("policies", [])
    there = ModelVersion.objects.filter(name__in=policies).values_list("name", flat=True)
    if unknown := sorted(set(policies) - set(there)):
        sentence = f"There is no model version {', '.join(unknown)}."
        refuse("labels.policies", sentence)
    if unknown := unknown_origins(recipe.labels.get("origins", [])):
        refuse("labels.origins", f"No labels were imported from {', '.join(unknown)}.")
    return recipe


def _require_trainable(field: str, version: ModelVersion) -> None:
    versions.require_weights(version)
    if not version.is_local:
        sentence = f"{version} lies behind a server and cannot be trained; choose a local version."
    elif not version.folder.is_dir():
        sentence = f"The folder of {version} is gone. Put it back, or choose another version."
    else:
        return
    refuse(field, sentence)


def _require_own_answers(start: ModelVersion) -> None:
    """Training changes weights, and neither a best-of nor a prompted version has its own: what is
    learned would be compared with something else than what was said before."""
    if start.best_of > 1:
        does = f"chooses among the answers of {start.parent}"
    elif start.prefix:
        does = "speaks under a prefix prompt, which training would leave out,"
    else:
        return
    other = start.parent or "a version without it"
    sentence = f"{start} {does} and has no weights of its own; start from {other}."
    refuse("start", sentence)


def _require_approved(start: ModelVersion) -> None:
    """What the check refused would train wrongly or not at all; one not checked yet may start."""
    if found := refusal(check_report(start)):
        sentence = f"{start} did not pass the check. {found}"
        refuse("start", sentence, 409)


def require_one_limit(recipe: Recipe) -> None:
    """Raises Problem unless all stages that score answers do so up to the length at which the queue
    samples them: at another a reward model is read where it has learned nothing."""
    sampled, limits = training_limit(), recipe.limits()
    wrong = {address: limit for address, limit in limits.items() if limit != sampled}
    if not wrong:
        return
    said = sorted(set(limits.values()))
    remedy = f"Set max_response_tokens to {sampled} in the recipe"
    if len(said) == 1:
        remedy += f", or let the ranking queue sample {said[0]} before answers are labeled"
    raise Problem(
        409,
        f"The queue samples answers of {sampled} tokens at most, and this round scores "
        f"{' and '.join(map(str, said))}: a reward model judges rightly what is as long as what it "
        f"learned from. {remedy}.",
        errors={
            address: [f"is {limit}, the queue samples {sampled} at most: set it to {sampled}"]
            for address, limit in wrong.items()
        },
    )


def _require_same_limit(recipe: Recipe, reward: ModelVersion) -> None:
    """Raises Problem for a reward model that learned from answers of another length."""
    learned = _limit_of(reward)
    for address, limit in recipe.limits().items():
        if learned not in (None, limit):
            sentence = (
                f"{reward} learned from answers of {learned} tokens at most, and {address} is "
                f"{limit}: choose another reward model, or train one in this round."
            )
            refuse("reward_model", sentence, 409)


def _limit_of(reward: ModelVersion) -> int | None:
    """Up to how many tokens the answers were that it learned from; None where that is not known."""
    run = TrainingRun.objects.filter(output=reward).first()
    limit = run.config.get("settings", {}).get("max_response_tokens") if run else None
    return None if limit is None else int(limit)


def _require_context(recipe: Recipe, start: ModelVersion, reward: ModelVersion | None) -> None:
    """Raises Problem where the longest prompt and response do not fit into what a model reads."""
    readers = [(start, recipe.stages)]
    if reward:
        readers.append((reward, tuple(stage for stage in recipe.stages if STAGES[stage].needs)))
    errors: dict[str, list[str]] = {}
    for version, stages in readers:
        context = context_of(version.folder)
        for stage in stages:
            found = too_long(str(version), context, recipe.configs[stage].to_dict())
            for setting, sentence in found.items():
                errors.setdefault(f"{stage}.{setting}", []).append(sentence)
    if errors:
        address, (sentence, *_) = next(iter(errors.items()))
        raise Problem(
            409, f"{address}: {sentence}, or choose a model that reads more.", errors=errors
        )


def _require_labels(recipe: Recipe, there: Mapping[str, int]) -> None:
    needed = recipe.labels_needed()
    missing = {what: count for what, count in needed.items() if there[what] < count}
    if not missing:
        return
    errors = {what: [f"{there[what]} there, {count} needed"] for what, count in missing.items()}
    for what, address in recipe.batch_settings().items():
        if what in missing and there[what]:
            errors[address] = [f"a batch is more than the {there[what]} there are: lower it"]
    sentence = "; ".join(
        f"{what.replace('_', ' ')}: {there[what]} there, {count} needed"
        for what, count in missing.items()
    )
    raise Problem(
        409,
        f"There are not enough labels for this round ({sentence}). Collect more, choose more of "
        "them, or lower the batch sizes.",
        errors=errors,
        extra={"labels": there, "needed": needed},
    )


def _require_memory(recipe: Recipe, start: ModelVersion) -> None:
    if errors := over_memory(recipe, start):
        setting, (problem, *_) = next(iter(errors.items()))
        raise Problem(409, f"{setting} {problem}.", errors=errors)


def _let_numbers_follow() -> None:
    """The next round's number follows the last one's, which people read and type.

    PostgreSQL's sequences leave gaps behind: 33 numbers after a crash, one for each insert that is
    rolled back. Who starts a round at the same time waits until this transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('the numbers of rounds'))")
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('trainer_traininground', 'id'), "
            "coalesce(max(id), 0) + 1, false) FROM trainer_traininground"
        )


def default_start() -> ModelVersion:
    """The base that the promoted policy descends from."""
    from models_service.selectors import ancestors

    policy = promoted(Promotion.Role.POLICY)
    if policy is None:
        raise Problem(409, "No policy is promoted yet. Promote a model first.")
    return [policy, *ancestors(policy)][-1]
