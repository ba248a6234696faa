"""How the prompts are spread over the use cases, against the spread that is aimed at."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from labeling.models import Prompt, UseCase
from labeling.queues.shares import USE_CASES


@dataclass(frozen=True)
class UseCaseShare:
    """A use case: how many active prompts have it, and its shares, had and aimed at, in per cent.

    `bar` and `mark` are the two on a scale that ends at 100 with the largest share of all.
    """

    use_case: str
    label: str
    count: int
    had: float
    wanted: float
    bar: float
    mark: float


def spread() -> list[UseCaseShare]:
    """Every use case, in the order of the paper."""
    active = Prompt.objects.filter(state=Prompt.State.ACTIVE).order_by()
    counts = dict(active.values_list("use_case").annotate(n=Count("pk")))
    total = sum(counts.values()) or 1
    had = {name: 100 * counts.get(name, 0) / total for name in USE_CASES}
    longest = max(*had.values(), *USE_CASES.values())
    return [
        UseCaseShare(
            use_case=name,
            label=str(UseCase(name).label),
            count=counts.get(name, 0),
            had=had[name],
            wanted=wanted,
            bar=100 * had[name] / longest,
            mark=100 * wanted / longest,
        )
        for name, wanted in USE_CASES.items()
    ]
