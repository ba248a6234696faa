"""Shapes of conversations that some chat templates refuse, told by the roles of their turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Count, F, Func, Q, QuerySet, TextField

from labeling.models import Prompt

# By the names that a check's report has for them.
TITLES: Mapping[str, str] = {
    "system": "Has a system turn",
    "user,user": "Two turns of one role in a row",
    "assistant first": "An assistant's turn first",
    "several turns": "Has an assistant's turn",
}
_CONDITIONS: Mapping[str, Q] = {
    "system": Q(turn_roles__contains='"system"'),
    "user,user": Q(turn_roles__contains='"user", "user"')
    | Q(turn_roles__contains='"assistant", "assistant"'),
    "assistant first": Q(turn_roles__startswith='["assistant"')
    | Q(turn_roles__startswith='["system", "assistant"'),
    "several turns": Q(turn_roles__contains='"assistant"'),
}


def of_shape(prompts: QuerySet[Prompt], shape: str) -> QuerySet[Prompt]:
    """Those of the prompts whose conversation has this shape."""
    return _with_roles(prompts).filter(_CONDITIONS[shape])


def count_by_shape(shapes: Iterable[str]) -> dict[str, int]:
    """How many active prompts have each of these shapes, in one look at all of them."""
    wanted = {f"n{i}": shape for i, shape in enumerate(shapes) if shape in _CONDITIONS}
    if not wanted:
        return {}
    active = _with_roles(Prompt.objects.filter(state=Prompt.State.ACTIVE).order_by())
    counts = {alias: Count("pk", filter=_CONDITIONS[shape]) for alias, shape in wanted.items()}
    return {wanted[alias]: count for alias, count in active.aggregate(**counts).items()}


def _with_roles(prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
    """The roles of the turns as one text: `["system", "user"]`."""
    roles = Func(
        F("messages"),
        template="(jsonb_path_query_array(%(expressions)s, '$[*].role'))::text",
        output_field=TextField(),
    )
    return prompts.alias(turn_roles=roles)
