"""The audit log: what those who run an installation did, when, to what. Rows are only ever added.

An entry names people and things by their numbers and never by their names, so that a person who is
erased elsewhere is gone from the log as well; callers keep personal data out of `detail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db import models
from django.forms import ModelForm

from accounts.models import AuditEntry, User


class Act(models.TextChoices):
    """What can be done; one line for each, in the words of the log's page."""

    ACCOUNT_ADDED = "account_added", "Account added"
    ACCOUNT_CHANGED = "account_changed", "Account changed"
    PASSWORD_SET = "password_set", "Password set"
    TOKEN_ADDED = "token_added", "API token added"
    TOKEN_ROTATED = "token_rotated", "API token rotated"
    TOKEN_REVOKED = "token_revoked", "API token revoked"
    LABELER_CHANGED = "labeler_changed", "Labeler changed"
    PERSON_ERASED = "person_erased", "Person erased"
    PROMPTS_IMPORTED = "prompts_imported", "Prompts imported"
    LABELS_IMPORTED = "labels_imported", "Labels imported"
    PROMPTS_CHANGED = "prompts_changed", "Prompts changed"
    PROMPT_REDACTED = "prompt_redacted", "Prompt redacted"
    PROMPT_RELEASED = "prompt_released", "Prompt released from quarantine"
    PROMPT_DROPPED = "prompt_dropped", "Prompt dropped"
    QUEUE_CHANGED = "queue_changed", "Queue changed"
    TASKS_CHANGED = "tasks_changed", "Tasks changed"
    LABEL_COMMENTED = "label_commented", "Label commented on"
    LABEL_EXCLUDED = "label_excluded", "Label excluded"
    LABEL_RESTORED = "label_restored", "Label restored"
    LABEL_SENT_BACK = "label_sent_back", "Label sent back"
    RANKINGS_ADJUDICATED = "rankings_adjudicated", "Rankings adjudicated"
    REPORT_ANSWERED = "report_answered", "Report answered"
    GUIDELINE_PUBLISHED = "guideline_published", "Guideline published"
    FORM_PUBLISHED = "form_published", "Rating form published"
    LABELS_EXPORTED = "labels_exported", "Labels exported"
    VERSION_ADDED = "version_added", "Model version added"
    KEY_REPLACED = "key_replaced", "Endpoint key replaced"
    VERSION_PROMOTED = "version_promoted", "Model version promoted"
    EVALUATION_OPENED = "evaluation_opened", "Evaluation by labelers opened"
    EVALUATION_CLOSED = "evaluation_closed", "Evaluation by labelers closed"
    ROUND_STARTED = "round_started", "Round started"
    ROUND_PAUSED = "round_paused", "Round paused"
    ROUND_RESUMED = "round_resumed", "Round resumed"
    ROUND_CANCELLED = "round_cancelled", "Round cancelled"
    ROUND_RETRIED = "round_retried", "Round retried"
    RECIPE_SAVED = "recipe_saved", "Recipe saved"
    RECIPE_REMOVED = "recipe_removed", "Recipe removed"
    SCHEDULE_ADDED = "schedule_added", "Schedule added"
    SCHEDULE_CHANGED = "schedule_changed", "Schedule changed"
    SCHEDULE_REMOVED = "schedule_removed", "Schedule removed"


def record(
    *,
    act: Act,
    by: User | None = None,
    target: models.Model | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write one entry, in the transaction of the act itself.

    `by` is None for what a command or the system did; `detail` is anything JSON can hold, with
    moments and decimals.
    """
    return AuditEntry.objects.create(
        act=act,
        by=by,
        target_kind=target._meta.label_lower if target else "",
        target_id=target.pk if target else None,
        detail=dict(detail or {}),
    )


def changes(form: ModelForm, *, unnamed: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What a submitted form changes: `{field: [before, after]}`.

    Of fields in `unnamed`, which hold secrets or personal data, only that they changed.
    """
    return {
        name: "changed" if name in unnamed else [_plain(form.initial.get(name)), _plain(value)]
        for name, value in form.cleaned_data.items()
        if name in form.changed_data
    }


def targets(entries: list[AuditEntry]) -> dict[tuple[str, int], models.Model]:
    """The rows these entries are about, as far as they still exist, with one query a table."""
    wanted: dict[str, set[int]] = {}
    for entry in entries:
        if entry.target_id is not None:
            wanted.setdefault(entry.target_kind, set()).add(entry.target_id)
    known = {model._meta.label_lower: model for model in apps.get_models()}
    return {
        (kind, pk): row
        for kind, ids in wanted.items()
        if kind in known
        for pk, row in known[kind]._default_manager.in_bulk(ids).items()
    }


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, models.Model) else value
