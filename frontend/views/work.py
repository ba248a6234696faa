"""The pages where labels are made. They only read; every write goes through the API."""

from __future__ import annotations

import json
from typing import Any, cast

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Role, User
from accounts.permissions import allowed
from frontend import selectors
from frontend.rendering import render_markdown
from labeling.intake import privacy
from labeling.intake.prompts import recognisers
from labeling.models import Assignment
from labeling.models.prompts import Prompt, UseCase
from labeling.task_kinds import TASK_KINDS, Kind
from labeling.work.distress import needs_a_break, warning
from labeling.work.diversity import most_alike
from labeling.work.home import done, held_assignments
from labeling.work.label_versions import amend_until, is_amendable
from labeling.work.my_work import recent_prompts

API = "/api/v1/assignments/"
PREVIEW_LIMIT = 200_000  # characters
PERSONAL = {
    privacy.Kind.EMAIL: _("an e-mail address"),
    privacy.Kind.PHONE: _("a phone number"),
    privacy.Kind.CARD: _("a card number"),
    privacy.Kind.IBAN: _("a bank account"),
    privacy.Kind.IP: _("a computer's address"),
    privacy.Kind.NATIONAL_ID: _("an identity number"),
    privacy.Kind.SECRET: _("a password or key"),
    privacy.Kind.NAME: _("a name"),
    privacy.Kind.UNREAD: _("more text or numbers than are looked through"),
}
SKIP_REASONS = {
    "unclear": _("The prompt is unclear"),
    "beyond_my_knowledge": _("It is beyond my knowledge"),
    "distressing": _("It is distressing"),
    "other_language": _("It is in a language I do not read well"),
    "broken": _("Something is broken"),
}


@allowed(Role.LABELER)
@require_GET
def queue(request: HttpRequest, kind: str) -> HttpResponse:
    """Go on with the task that is held, or let the page claim one through the API."""
    if kind not in TASK_KINDS:
        raise Http404
    held = [one for one in held_assignments(_labeler(request)) if one.task.kind == kind]
    if held:
        return redirect("assignment", held[0].pk)
    return render(request, "work/queue.html", {**_addresses(kind), "kind": TASK_KINDS[kind]})


@allowed(Role.LABELER)
@require_GET
def assignment(request: HttpRequest, pk: int) -> HttpResponse:
    """One assignment of this labeler, ready to be worked on; nobody else's is found."""
    mine = get_object_or_404(selectors.assignments_of(_labeler(request)), pk=pk)
    if mine.state == Assignment.State.SUBMITTED:
        return redirect("my-label", mine.pk)
    if mine.state == Assignment.State.RELEASED:
        return render(request, "work/ended.html", {"assignment": mine})
    kind = mine.task.of_kind
    context = _shared(request, mine, kind) | _own(mine, kind) | _before_work(request, mine)
    return render(request, kind.template, context)


@allowed(Role.LABELER)
@require_GET
def amend(request: HttpRequest, pk: int) -> HttpResponse:
    """What I submitted, on the page it was made on, to be put in its own place."""
    mine = get_object_or_404(selectors.assignments_of(_labeler(request)), pk=pk)
    if not is_amendable(mine):
        return redirect("assignment", mine.pk)
    kind = mine.task.of_kind
    amending = {
        "amending": True,
        "until": amend_until(mine),
        "submit_url": f"{API}{mine.pk}/amend/",
    }
    return render(
        request, kind.template, _shared(request, mine, kind) | _own(mine, kind) | amending
    )


@allowed(Role.LABELER)
@require_POST
def alike(request: HttpRequest) -> HttpResponse:
    """Which of my latest prompts is most like the text in the body, `{"text": ...}`, and how far:
    `{"share": 0 to 1, "text"}`, or `{}` when there is nothing to compare."""
    text = _text_of(request)
    if text is None:
        return HttpResponseBadRequest()
    others = [prompt.last_message for prompt in recent_prompts(_labeler(request))]
    found = most_alike(text, others)
    if found is None:
        return JsonResponse({})
    share, at = found
    return JsonResponse({"share": share, "text": Truncator(others[at]).chars(160)})


@allowed(Role.LABELER)
@require_POST
def personal(request: HttpRequest) -> HttpResponse:
    """What looks like somebody's own in the text of the body, `{"text": ...}`, in its order:
    `{"found": [{"kind": "a phone number", "text"}]}`; nothing is stored."""
    text = _text_of(request)
    if text is None:
        return HttpResponseBadRequest()
    looked_for = recognisers()
    spans = privacy.find(text, region=looked_for.region, names=looked_for.names)
    found = [
        {"kind": str(PERSONAL[privacy.Kind(span.kind)]), "text": text[span.start : span.end]}
        for span in spans
    ]
    return JsonResponse({"found": found})


@allowed(Role.LABELER)
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Rendered Markdown for the text in the body, `{"text": ...}`; nothing is stored."""
    text = _text_of(request)
    return (
        HttpResponseBadRequest() if text is None else JsonResponse({"html": render_markdown(text)})
    )


def _text_of(request: HttpRequest) -> str | None:
    try:
        text = json.loads(request.body)["text"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(text, str) or len(text) > PREVIEW_LIMIT or _has_lone_surrogates(text):
        return None
    return text


def _has_lone_surrogates(text: str) -> bool:
    return text != text.encode(errors="ignore").decode()  # JSON may name them, UTF-8 has none


def _labeler(request: HttpRequest) -> User:
    return cast(User, request.user)  # `allowed` let nobody else in


def _shared(request: HttpRequest, mine: Assignment, kind: Kind) -> dict[str, Any]:
    return {
        **_addresses(kind.name),
        "assignment": mine,
        "assignment_url": f"{API}{mine.pk}/",
        "prompt": mine.task.prompt,
        "submit_url": f"{API}{mine.pk}/submit/",
        "may_amend": settings.LABELING["amend_hours"] > 0,
        "guideline": mine.guideline,
        "today": _counted(done(_labeler(request), kind=kind.name).today),
        "kind": kind,
        "skip_reasons": SKIP_REASONS,
    }


def _counted(today: int) -> SafeString:
    # A page that was fetched ahead is one short when it is shown; the script counts on.
    return format_html('<span data-assignment-target="today">{}</span>', today)


def _before_work(request: HttpRequest, mine: Assignment) -> dict[str, Any]:
    """What a labeler should know first: a guideline still to be read, and what may distress."""
    labeler, task = _labeler(request), mine.task
    warned = warning(task)
    return {
        "warning": warned,
        "take_a_break": bool(warned) and needs_a_break(labeler),
        "sent_back": mine.reviews.first() if mine.submission_hash else None,
        **selectors.still_to_read(labeler, kind=task.kind, purpose=task.purpose),
    }


def _own(mine: Assignment, kind: Kind) -> dict[str, Any]:
    return import_string(kind.context)(mine) if kind.context else {}


def prompt_writing(mine: Assignment) -> dict[str, Any]:
    """What the page of a prompt-writing task shows besides: the use case and variety of late."""
    brief = mine.task.brief
    return {
        "lately": selectors.variety(mine.labeler),
        "alike_url": reverse("alike"),
        "personal_url": reverse("personal"),
        "use_cases": UseCase.choices,
        "kinds": Prompt.Kind.choices,
        "brief": brief,
        "brief_label": gettext(dict(UseCase.choices).get(brief.get("use_case"), "?")),
    }


def ranking(mine: Assignment) -> dict[str, Any]:
    """What the page of a ranking shows besides: the answers and the rating form."""
    fields = selectors.rating_fields(mine)
    flags = fields["flags"]
    groups: dict[str, list[dict[str, str]]] = {}
    for flag in flags:
        groups.setdefault(flag["group"], []).append(flag)
    return {
        "completions": selectors.lettered_completions(mine),
        "flag_groups": groups,
        "flag_labels_json": json.dumps({flag["name"]: gettext(flag["label"]) for flag in flags}),
        "scale": range(1, 8),
        "scale_label": fields["scale"]["label"],
    }


def _addresses(kind: str) -> dict[str, str]:
    return {
        "claim_url": f"{API}claim/",
        "page_url": reverse("assignment", args=[0]),
        "queue_url": reverse("queue", args=[kind]),
    }
