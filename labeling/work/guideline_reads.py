"""Which guideline a labeler is to follow now, and which they have read."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import Role, User
from labeling.models import Guideline, GuidelineRead


@dataclass(frozen=True)
class Reading:
    """The newest version of a guideline; the last one read, which may be itself or none."""

    newest: Guideline
    read: Guideline | None

    @property
    def is_new(self) -> bool:
        """Whether the newest version is still to be read."""
        return self.read is None or self.read.pk != self.newest.pk


def reading(labeler: User, *, kind: str, purpose: str) -> Reading | None:
    """What the labeler has read of this guideline; None while none is published."""
    versions = Guideline.objects.filter(kind=kind, purpose=purpose).order_by("-version")
    newest = versions.first()
    if newest is None:
        return None
    read = GuidelineRead.objects.filter(labeler=labeler, guideline__in=versions.values("pk"))
    last = read.select_related("guideline").order_by("-guideline__version").first()
    return Reading(newest, last.guideline if last else None)


def unread_guidelines(labeler: User) -> list[Guideline]:
    """Newer versions of guidelines that the labeler has read before."""
    known = Guideline.objects.filter(reads__labeler=labeler)
    newest = Guideline.objects.order_by("kind", "purpose", "-version").distinct("kind", "purpose")
    pairs = set(known.order_by().values_list("kind", "purpose"))
    read = set(known.values_list("pk", flat=True))
    return [one for one in newest if (one.kind, one.purpose) in pairs and one.pk not in read]


@dataclass(frozen=True)
class Readers:
    """Of the active labelers, how many have read this version, and how many there are."""

    read: int
    all: int


def readers(guideline: Guideline) -> Readers:
    """Who has read it so far; the others are asked before their next task of this kind."""
    people = User.objects.filter(role=Role.LABELER, is_active=True)
    read = people.filter(guidelines_read__guideline=guideline).count()
    return Readers(read, people.count())
