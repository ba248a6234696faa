"""Keeping how far reward models disagree about each prompt's completions."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from labeling.models import Prompt


@transaction.atomic
def keep_uncertainty(measured: Mapping[int, float]) -> None:
    """Write it by the prompt's id; of every other prompt an older measure is forgotten, since those
    of different reward models cannot be compared."""
    Prompt.objects.exclude(uncertainty=None).exclude(pk__in=measured).update(uncertainty=None)
    prompts = Prompt.objects.in_bulk(list(measured))
    for pk, prompt in prompts.items():
        prompt.uncertainty = measured[pk]
    Prompt.objects.bulk_update(prompts.values(), ["uncertainty"], batch_size=500)
