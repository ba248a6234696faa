"""The topics there are, which a labeler may decline."""

from __future__ import annotations

from labeling.models import LabelerProfile, Prompt


def topics_with(profile: LabelerProfile) -> list[tuple[str, bool]]:
    """Every topic of an active prompt, and whether this labeler declined it."""
    known = Prompt.objects.filter(state=Prompt.State.ACTIVE).exclude(topic="")
    declined = set(profile.declined_topics)
    names = set(known.order_by().values_list("topic", flat=True).distinct()) | declined
    return [(name, name in declined) for name in sorted(names, key=str.casefold)]
