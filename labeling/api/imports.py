"""Files of prompts or labels over HTTP: uploaded in pieces, checked, looked at, then imported.

For admins.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, cast

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsAdmin, person
from core.bodies import Sent, takes
from core.problems import Problem
from labeling import tasks
from labeling.exports.containers import cell
from labeling.intake import imports, uploads
from labeling.intake.import_reads import status
from labeling.intake.label_options import label_options
from labeling.models import Import


class UploadBody(serializers.Serializer[Any]):
    """A file that is to come: `modified` in milliseconds tells it from others of its name."""

    name = serializers.CharField(max_length=200)
    size = serializers.IntegerField(min_value=0)
    modified = serializers.IntegerField(min_value=0, default=0)
    what = serializers.ChoiceField(Import.What.choices, default=Import.What.PROMPTS)
    # Of labels alone; what they do, docs/import_labels.md says.
    set = serializers.CharField(max_length=120, allow_blank=True, default="")
    licence = serializers.CharField(max_length=200, allow_blank=True, default="")
    split = serializers.CharField(max_length=16, allow_blank=True, default="")
    columns = serializers.DictField(child=serializers.CharField(max_length=200), default=dict)


class AcceptBody(serializers.Serializer[Any]):
    skip_invalid = serializers.BooleanField(default=False)


class Octets(BaseParser):
    """Bytes as they are."""

    media_type = "application/octet-stream"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """The body; never more than one piece may hold."""
        return stream.read(uploads.CHUNK + 1)


class ImportsView(APIView):
    permission_classes = [IsAdmin]

    @takes(UploadBody, responses={201: dict[str, Any]})
    def post(self, request: Request, sent: Sent) -> Response:
        """Begin an upload, or learn how far the same file came before: send from `received` on."""
        file = {name: sent[name] for name in ("name", "size", "modified", "what")}
        told = {name: sent[name] for name in ("name", "licence", "split", "columns")}
        is_labels = sent["what"] == Import.What.LABELS
        options = label_options(of=sent["set"], **told) if is_labels else {}
        begun = uploads.begin(by=person(request), options=options, **file)
        return Response(status(begun), status=201)


class ImportView(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(responses=dict[str, Any])
    def get(self, request: Request, pk: int) -> Response:
        """How far an import is, its first rows, its first bad lines, and what became of it."""
        return Response(status(get_object_or_404(Import, pk=pk)))


class ImportContentView(APIView):
    permission_classes = [IsAdmin]
    parser_classes = [Octets]

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=[OpenApiParameter("offset", int, required=True)],
        responses=dict[str, Any],
    )
    def put(self, request: Request, pk: int) -> Response:
        """Send the bytes from `offset` on, at most 4 MiB; after the last of them it is checked.

        A piece of another place is refused with 409 and `received`, from where to go on.
        """
        offset = request.query_params.get("offset", "")
        if not offset.isdecimal():
            raise Problem(400, "Say with ?offset= where these bytes begin.")
        if int(request.META.get("CONTENT_LENGTH") or 0) > uploads.CHUNK:
            raise Problem(413, f"Send at most {uploads.CHUNK:,} bytes at once.")
        chunk = cast(bytes, request.data or b"")  # an empty body is parsed as {}
        found = uploads.append(import_id=pk, offset=int(offset), chunk=chunk)
        if found.state == Import.State.QUEUED:
            tasks.check_import.delay(pk)
        return Response({"received": found.received, "state": found.state})


class ImportAcceptView(APIView):
    permission_classes = [IsAdmin]

    @takes(AcceptBody, responses=dict[str, Any])
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Import what was checked, all of it, or with `skip_invalid` the good lines."""
        imported = get_object_or_404(Import, pk=pk)
        imports.accept(imported=imported, **sent)
        tasks.store_import.delay(pk)
        return Response({"id": pk})


class ImportCancelView(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(request=None, responses=dict[str, Any])
    def post(self, request: Request, pk: int) -> Response:
        """End an import that is not finished; nothing of it stays."""
        uploads.cancel(imported=get_object_or_404(Import, pk=pk))
        return Response({"id": pk})


class ImportRejectsView(APIView):
    permission_classes = [IsAdmin]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: int) -> StreamingHttpResponse:
        """Every bad line as CSV: its number, the reason, and how it begins."""
        imported = get_object_or_404(Import, pk=pk)
        answer = StreamingHttpResponse(_as_csv(imported), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="import-{pk}-bad-lines.csv"'
        return answer


class _Echo:
    def write(self, text: str) -> str:
        return text


def _as_csv(imported: Import) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(["line", "reason", "text"])
    for row in imported.rejected.values_list("line", "reason", "text").iterator(1000):
        yield writer.writerow(map(cell, row))
