"""Users' prompts over the API: sent by clients, listed for those who run the installation."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import IsClient, IsResearcher, person
from core.bodies import json_body
from core.lists import ListView
from core.problems import Problem
from labeling.api import serializers
from labeling.api.list_filters import PromptQuery
from labeling.api.list_rows import PromptRow
from labeling.intake import clients
from labeling.intake.prompts import add_prompts
from labeling.intake.quarantine_reads import seen_by
from labeling.intake.rows import NewPrompt, RowError, parse
from labeling.models import Prompt

MOST_AT_ONCE = 1000
MAX_BYTES = 64_000_000


class PromptsView(ListView):
    permission_classes = [IsClient]
    serializer_class = PromptRow
    query = PromptQuery

    def get_permissions(self) -> Any:
        return super().get_permissions() if self.request.method == "POST" else [IsResearcher()]

    def get_queryset(self) -> QuerySet[Prompt]:
        return seen_by(Prompt.objects.defer("bands", "spans"), self.request.user)

    @extend_schema(description="Prompts, the newest first. Researchers.")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=serializers.PromptBody(many=True),
        responses={201: serializers.PromptsAdded},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description="Sent again with the same key within a day, the same request is "
                "answered as it was then, and adds nothing.",
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Add one prompt or a list of at most 1,000, all or none.

        Prompts without an author or an organisation belong to the client's account: it counts
        towards the author's limit and fixes their split. An account sends at most so many prompts a
        day; beyond that the answer is 429, and Retry-After says when to come again. Prompts that
        hold personal data are kept in quarantine.
        """
        body = json_body(request, max_bytes=MAX_BYTES)
        rows = body if isinstance(body, list) else [body]
        if len(rows) > MOST_AT_ONCE:
            raise Problem(400, f"Send at most {MOST_AT_ONCE:,} prompts at once.")
        key, client = request.headers.get("Idempotency-Key", "").strip(), person(request)
        answer = clients.once(by=client, key=key, body=body, answer=lambda: _add(rows, client))
        return Response(answer, status=201)


@transaction.atomic
def _add(rows: list[Any], client: User) -> dict[str, Any]:
    prompts = _parsed(rows, client.username)
    clients.spend(by=client, prompts=len(prompts))
    return asdict(add_prompts(prompts, source=Prompt.Source.API))


def _parsed(rows: list[Any], client: str) -> list[NewPrompt]:
    prompts, errors = [], {}
    for place, row in enumerate(rows):
        try:
            prompt = parse(row)
        except RowError as error:
            errors[f"[{place}].{error.name}"] = [f"{error.name} {error.reason}"]
            continue
        author, organisation = prompt.author or client, prompt.organisation or client
        prompts.append(replace(prompt, author=author, organisation=organisation))
    if errors:
        raise Problem(400, "Nothing was added: some prompts are not valid.", errors=errors)
    return prompts
