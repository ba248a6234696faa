"""Conditions over a thousand values, which Django's `__in` would each look at by itself."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import BooleanField, F, Func, Value


def is_one_of(column: str, values: Iterable[str | int]) -> Func:
    """Whether the column holds one of the values, sent as one array."""
    array = Value(list(values))
    return Func(
        F(column),
        array,
        template="%(expressions)s)",
        arg_joiner=" = ANY(",
        output_field=BooleanField(),
    )
