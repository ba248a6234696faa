"""What waits for admins and researchers, and what a new installation needs first.

Reads alone. Every count ends at 100, so that the home page is as fast with a million rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import redis
from django.conf import settings
from django.core.cache import cache
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, User
from labeling.models import (
    Guideline,
    Import,
    LabelingTask,
    Prompt,
    QuarantinedPrompt,
    Queue,
    Ranking,
    Report,
    Review,
    Slot,
)
from models_service.worker_heartbeats import unserved
from trainer.data.snapshots import count_labels
from trainer.models import TrainingRound
from trainer.rounds.recipes import preset_recipe

MANY = 100
# What the menu tells is at most so old: it stands on every page.
_FRESH_SECONDS = 10
_LATELY = timedelta(days=7)
# Of the tasks that a queue keeps ready, and of the disk.
_DRY, _FULL = 0.25, 0.1
# Where two labelers of a task order half of the pairs otherwise, one of them reads it otherwise.
_DISPUTED = 0.5
_WORKERS = {
    "sampling": ("No worker samples", "admin:index"),
    "training": ("No worker trains", "admin:trainer_traininground_changelist"),
}
_FIRST_PRESET = "demo"


@dataclass(frozen=True)
class Waiting:
    """Something that somebody should look at: how much of it, in words, and where it is.

    `table` is the entry of the menu that shows the count; `bad` is what stops the work of others.
    """

    table: str
    count: int
    says: str
    url: str
    bad: bool = False

    @property
    def number(self) -> str:
        """The count as the menu shows it."""
        return f"{MANY}+" if self.count >= MANY else str(self.count)


@dataclass(frozen=True)
class Step:
    """One thing to do on the first day, how far it is, and where it is done."""

    title: str
    says: str
    url: str
    done: bool


def waiting_for(user: User) -> list[Waiting]:
    """What waits for this person now, what stops others first."""
    return sorted(_all(user), key=lambda one: not one.bad)


def counts_for(user: User) -> dict[str, Waiting]:
    """The same by entry of the menu, some seconds old at most."""
    key = f"to-do:{user.role}"
    found = cache.get(key)
    if found is None:
        found = {one.table: one for one in waiting_for(user) if one.table}
        cache.set(key, found, _FRESH_SECONDS)
    return dict(found)


def first_steps() -> list[Step]:
    """What to do on the first day, in order; nothing once a round has finished."""
    if TrainingRound.objects.filter(state=TrainingRound.State.FINISHED).exists():
        return []
    people = User.objects.filter(role=Role.LABELER, is_active=True).count()
    prompts = Prompt.objects.filter(state=Prompt.State.ACTIVE).count()
    there, needed = count_labels(), preset_recipe(_FIRST_PRESET).labels_needed()
    collected = ("demonstrations", "rankings")
    far = ", ".join(f"{there[what]} of {needed[what]} {what}" for what in collected)
    started = TrainingRound.objects.exists()
    return [
        Step("Add people", f"{people} labeler{'' if people == 1 else 's'} so far.",
             reverse("admin:accounts_user_add"), people > 0),
        Step("Read the guideline", "What labelers are told; a new version is theirs to read next.",
             reverse("admin:labeling_guideline_changelist"), Guideline.objects.exists()),
        Step("Import prompts", f"{prompts:,} so far.", reverse("admin:labeling_import_add"),
             prompts > 0),
        Step("Collect labels", f"{far}: the least that the preset {_FIRST_PRESET} trains on.",
             reverse("admin:labeling_queue_changelist"),
             all(there[what] >= needed[what] for what in collected)),
        Step("Start the first round", "The first one is running." if started else "From a preset.",
             reverse("admin:trainer_traininground_add"), started),
    ]  # fmt: skip


def _all(user: User) -> Iterator[Waiting]:
    yield from _broken()
    yield from _told(_LABELS)
    if user.role == Role.ADMIN:
        yield from _told(_OF_ADMINS)


def _broken() -> Iterator[Waiting]:
    """What stops the work: rounds, queues, workers, the disk."""
    State = TrainingRound.State
    # One that was done again since then needs nobody.
    done = TrainingRound.objects.filter(state=State.FINISHED).order_by("-pk").first()
    failed = TrainingRound.objects.filter(
        state=State.FAILED,
        ended_at__gte=timezone.now() - _LATELY,
        pk__gt=done.pk if done else 0,
    )
    count = _bounded(failed)
    if count:
        url = reverse("admin:trainer_traininground_changelist") + "?state__exact=failed"
        yield Waiting(
            "trainer.TrainingRound",
            count,
            _so_many(count, "round", "rounds") + " failed in the last seven days",
            url,
            bad=True,
        )
    dry = [queue for queue in Queue.objects.filter(paused=False, draining=False) if _is_dry(queue)]
    if dry:
        names = ", ".join(str(queue) for queue in dry)
        yield Waiting(
            "labeling.Queue",
            len(dry),
            f"Running dry: {names}",
            reverse("admin:labeling_queue_changelist"),
            bad=True,
        )
    yield from _machine()


def _machine() -> Iterator[Waiting]:
    try:
        silent = unserved(list(_WORKERS))
    except redis.RedisError:
        silent = []  # the page says elsewhere that the broker is away
    for queue in silent:
        says, page = _WORKERS[queue]
        yield Waiting("", 1, f"{says}: start one, or look at its log", reverse(page), bad=True)
    disk = shutil.disk_usage(settings.DATA_DIR)
    if disk.free < _FULL * disk.total:
        says = f"{disk.free / 2**30:.1f} GiB are left on the disk that holds the checkpoints"
        yield Waiting(
            "", 1, says, reverse("admin:models_service_modelversion_changelist"), bad=True
        )


def _told(kinds: Iterable[Kind]) -> Iterator[Waiting]:
    for table, rows, one, several, page in kinds:
        if count := _bounded(rows()):
            app, model = table.lower().split(".")
            address = reverse(f"admin:{app}_{model}_changelist") + page
            yield Waiting(table, count, _so_many(count, one, several), address)


def _to_adjudicate() -> QuerySet[LabelingTask]:
    return LabelingTask.objects.filter(disagreement__gt=0, disagreement__gte=_DISPUTED)


def _answered_again() -> QuerySet[Ranking]:
    sent_back = Review.objects.filter(
        kind=Review.Kind.SENT_BACK,
        assignment__ended_at__gt=F("created_at"),
        assignment__ended_at__gte=timezone.now() - _LATELY,
    )
    return Ranking.objects.filter(assignment__in=sent_back.values("assignment"), excluded_at=None)


Kind = tuple[str, Callable[[], QuerySet], str, str, str]
"""The entry of the menu, its rows, one and several of them in words, and the list's filter."""

_LABELS: tuple[Kind, ...] = (
    ("labeling.Report", lambda: Report.objects.filter(answered_at=None),
     "report waits for an answer", "reports wait for an answer", "?answered_at__isempty=1"),
    ("labeling.LabelingTask", _to_adjudicate,
     "task is to be adjudicated: its labelers disagree",
     "tasks are to be adjudicated: their labelers disagree",
     f"?disagreement={round(100 * _DISPUTED)}"),
    ("labeling.Ranking", _answered_again,
     "ranking that was sent back came again this week",
     "rankings that were sent back came again this week", ""),
)  # fmt: skip
_OF_ADMINS: tuple[Kind, ...] = (
    ("labeling.QuarantinedPrompt",
     lambda: QuarantinedPrompt.objects.filter(state=Prompt.State.QUARANTINED),
     "prompt is in quarantine", "prompts are in quarantine", ""),
    ("labeling.Import", lambda: Import.objects.filter(state=Import.State.CHECKED),
     "import is checked and can be stored", "imports are checked and can be stored", ""),
)  # fmt: skip


def _is_dry(queue: Queue) -> bool:
    """Whether a quarter of what is kept ready is not even there."""
    free = Slot.objects.filter(kind=queue.kind, purpose=queue.purpose, state=Slot.State.FREE)
    return _bounded(free) < max(1, round(_DRY * queue.ready))


def _bounded(rows: QuerySet) -> int:
    return rows.order_by().values("pk")[:MANY].count()


def _so_many(count: int, one: str, several: str) -> str:
    return f"{f'{MANY} or more' if count >= MANY else count} {one if count == 1 else several}"
