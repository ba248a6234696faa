"""Shapes of conversations that some chat templates refuse, told by the roles of their turns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from django.db.models import Count, F, Func, QuerySet, TextField

from labeling.models import Prompt

# By the names that a check's report has for them.
TITLES: Mapping[str, str] = {
    "system": "Has a system turn",
    "user,user": "Two turns of one role in a row",
    "assistant first": "An assistant's turn first",
    "several turns": "Has an assistant's turn",
}
# In `["system", "user"]`, as PostgreSQL writes the roles; read by it and by Python alike.
_PATTERNS: Mapping[str, str] = {
    "system": r'"system"',
    "user,user": r'"(user|assistant)", "\1"',
    "assistant first": r'^\["(system", ")?assistant"',
    "several turns": r'"assistant"',
}
_ROLES = Func(
    F("messages"),
    template="(jsonb_path_query_array(%(expressions)s, '$[*].role'))::text",
    output_field=TextField(),
)


def of_shape(prompts: QuerySet[Prompt], shape: str) -> QuerySet[Prompt]:
    """Those of the prompts whose conversation has this shape."""
    return prompts.alias(turn_roles=_ROLES).filter(turn_roles__regex=_PATTERNS[shape])


def count_by_shape(shapes: Collection[str]) -> dict[str, int]:
    """How many active prompts have each of these shapes, in one look at all of them."""
    if not shapes:
        return {}
    active = Prompt.objects.filter(state=Prompt.State.ACTIVE).order_by()
    counts = active.values_list(_ROLES).annotate(n=Count("pk"))
    found = dict.fromkeys(shapes, 0)
    for roles, count in counts:
        for shape in shapes:
            found[shape] += count * bool(re.search(_PATTERNS[shape], roles))
    return found
