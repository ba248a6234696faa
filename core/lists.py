"""Lists over the API: pages by cursor, and the filters that a list declares and nothing else."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from rest_framework import generics, serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from core.problems import refuse

MOST_ROWS = 1000


class Pages(CursorPagination):
    """`{next, previous, results}`, the newest first; `next` is the address of what follows.

    In the order of the numbers, which every table has an index of: a page costs the same wherever
    it stands, and rows that come in meanwhile move none to another page.
    """

    ordering: Any = "-pk"
    page_size = 100
    page_size_query_param = "page_size"
    page_size_query_description = f"Rows a page: at most {MOST_ROWS:,}, else {page_size}."
    cursor_query_description = "Where a page begins, as `next` and `previous` have it."

    def get_page_size(self, request: Request) -> int:
        asked = request.query_params.get("page_size", str(self.page_size))
        size = int(asked) if asked.isdecimal() and len(asked) <= len(str(MOST_ROWS)) else 0
        if not 1 <= size <= MOST_ROWS:
            refuse("page_size", f"page_size goes from 1 to {MOST_ROWS:,}.")
        return size

    def decode_cursor(self, request: Request) -> Cursor | None:
        with suppress(NotFound):
            cursor = super().decode_cursor(request)
            # What is no number would only be found out by the database.
            if cursor is None or cursor.position is None or str(cursor.position).isdecimal():
                return cursor
        refuse("cursor", "This is no cursor of ours; take it from `next` or `previous`.")


class LinkedPages(Pages):
    """A bare list, the neighbours in the header Link (RFC 8288)."""

    def get_paginated_response(self, data: Any) -> Response:
        near = {"next": self.get_next_link(), "prev": self.get_previous_link()}
        links = ", ".join(f'<{link}>; rel="{name}"' for name, link in near.items() if link)
        return Response(data, headers={"Link": links} if links else None)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema


class Query(serializers.Serializer[Any]):
    """The filters of one list. A field's `source` is the look-up that its value is for."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields


class ListView(generics.ListAPIView[Any]):
    """A list that is filtered by what `query` declares; anything else is refused by name."""

    pagination_class = Pages
    query: type[Query] = Query

    @cached_property
    def wanted(self) -> dict[str, Any]:
        """Look-ups with the values that are asked for. What is no look-up, `get_queryset` takes
        out."""
        params = self.request.query_params
        query = self.query(data=params.dict())
        known = {*query.fields, "cursor", "page_size"}
        unknown = f"There is no such filter; there are {', '.join(sorted(known))}."
        errors = {name: [unknown] for name in params if name not in known}
        errors |= {
            name: ["Is given twice; give it once."]
            for name, values in params.lists()
            if len(values) > 1
        }
        if errors:
            raise ValidationError(errors)
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**self.wanted)
