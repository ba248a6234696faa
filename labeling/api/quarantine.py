"""Prompts that hold personal data: redacted, released or dropped, one at a time. Admins."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsAdmin, person
from core.bodies import Sent, takes
from core.problems import Problem
from labeling.intake import quarantine
from labeling.models import BulkChange, Prompt


class RedactBody(serializers.Serializer[Any]):
    """`texts` by the names of the prompt's parts; what is left out gets placeholders."""

    texts = serializers.DictField(
        child=serializers.CharField(trim_whitespace=False, max_length=200_000), default=dict
    )
    sure = serializers.BooleanField(default=False)


class ReleaseFromQuarantineBody(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=400)


class RedactView(APIView):
    permission_classes = [IsAdmin]

    @takes(RedactBody, responses=dict[str, Any])
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Put placeholders or other texts in the place of what is personal; for good.

        409 with `found` where something personal is still there and you are not `sure`.
        """
        said, sure = sent["texts"], sent["sure"]
        prompt = quarantine.redact(prompt=Prompt(pk=pk), by=person(request), said=said, sure=sure)
        return Response({"id": pk, "state": prompt.state})


class ReleaseView(APIView):
    permission_classes = [IsAdmin]

    @takes(ReleaseFromQuarantineBody, responses=dict[str, Any])
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Let the prompt go on as it is; the change can be undone."""
        change = quarantine.release(prompts=_waiting(pk), by=person(request), **sent)
        return _told(pk, change)


class DropView(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(request=None, responses=dict[str, Any])
    def post(self, request: Request, pk: int) -> Response:
        """Withdraw the prompt; the change can be undone."""
        return _told(pk, quarantine.drop(prompts=_waiting(pk), by=person(request)))


def _waiting(pk: int) -> Any:
    rows = Prompt.objects.filter(pk=pk, state=Prompt.State.QUARANTINED)
    if not rows.exists():
        raise Problem(409, f"Prompt {pk} is in quarantine no more; somebody else was quicker.")
    return rows


def _told(pk: int, change: BulkChange) -> Response:
    state = Prompt.objects.values_list("state", flat=True).get(pk=pk)
    return Response({"id": pk, "state": state, "change": change.pk if change.count else None})
