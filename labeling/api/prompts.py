"""Users' prompts over the API."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import IsClient, person
from core.bodies import json_body
from core.problems import Problem
from labeling.api import serializers
from labeling.intake import clients
from labeling.intake.prompts import add_prompts
from labeling.intake.rows import NewPrompt, RowError, parse
from labeling.models import Prompt

MOST_AT_ONCE = 1000
MAX_BYTES = 64_000_000


class PromptsView(APIView):
    permission_classes = [IsClient]

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
