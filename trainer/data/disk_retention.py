"""What stays on disk of old rounds: which checkpoints, saved states and leftovers may go, and when.

Of a version whose weights are removed the row stays, with its hash and figures: whatever was
learned or labeled from it still names it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import FloatField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone

from labeling.queues.sampling_reads import awaited_versions
from models_service.models import ModelVersion, Promotion
from trainer.models import Evaluation, TrainingRound, TrainingRun

State = TrainingRound.State
OPEN = (State.QUEUED, State.RUNNING, State.PAUSED)
LEFTOVER_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Cleared:
    """What a clean-up removed: names of versions, numbers of folders."""

    versions: list[str]
    states: int
    leftovers: int


def clear_disk() -> Cleared:
    """Remove what no rule keeps. Done twice, the second time finds nothing."""
    versions = [v.name for v in disposable() if remove_weights(version=v)]
    states = [run for run in _abandoned() if run.work.exists()]
    for run in states:
        shutil.rmtree(run.work, ignore_errors=True)
    leftovers = list(_leftovers())
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return Cleared(versions, len(states), len(leftovers))


def disposable() -> list[ModelVersion]:
    """Versions made by rounds whose weights nothing needs any more.

    Kept are those of the last KEEP_ROUNDS rounds and of every open one, each that was ever
    promoted, the best, whatever an open round starts from or a task or queue waits for, and the
    judges of any of these.
    """
    rounds = TrainingRound.objects.order_by("-id").values_list("pk", flat=True)
    ended, still_open = rounds.exclude(state__in=OPEN), rounds.filter(state__in=OPEN)
    kept_rounds = [*ended[: settings.KEEP_ROUNDS], *still_open]
    made = ModelVersion.objects.filter(run__isnull=False, weights_removed_at=None)
    old = made.exclude(run__round__in=kept_rounds)
    # A best-of version of a new round may be an old one's weights, chosen from by an old judge.
    recent = made.filter(run__round__in=kept_rounds).values_list("pk", flat=True)
    promoted = Promotion.objects.values_list("version_id", flat=True)
    needed = {*recent, *_starts(), *promoted, *_best(), *awaited_versions()}
    needed |= set(ModelVersion.objects.filter(judged__in=needed).values_list("pk", flat=True))
    return [version for version in old if not _family(version) & needed]


@transaction.atomic
def remove_weights(*, version: ModelVersion) -> bool:
    """Delete a version's folder and say so in its row; False when somebody was faster.

    Promotions wait for the row meanwhile, and then find no weights.
    """
    locked = ModelVersion.objects.select_for_update().filter(pk=version.pk, weights_removed_at=None)
    if not locked or Promotion.objects.filter(version=version).exists():
        return False
    sharing = ModelVersion.objects.filter(checkpoint=version.checkpoint)
    sharing.update(weights_removed_at=timezone.now())
    transaction.on_commit(lambda: shutil.rmtree(version.folder, ignore_errors=True))
    return True


def _family(version: ModelVersion) -> set[int]:
    """The version and those that are the same weights under a prefix prompt."""
    same = ModelVersion.objects.filter(checkpoint=version.checkpoint)
    return set(same.values_list("pk", flat=True))


def _starts() -> Iterator[int]:
    open_rounds = TrainingRound.objects.filter(state__in=OPEN)
    for start, reward in open_rounds.values_list("start_id", "reward_id"):
        yield from (pk for pk in (start, reward) if pk)


def _best() -> list[int]:
    """The version whose win rate has the highest lower bound."""
    low = Cast(KT("figures__win_rate__low"), FloatField())
    judged = Evaluation.objects.filter(version__weights_removed_at=None).annotate(low=low)
    best = judged.exclude(low=None).order_by("-low", "-id").first()
    return [best.version_id] if best else []


def _abandoned() -> Iterator[TrainingRun]:
    """Runs of rounds that ended without them KEEP_STATES_DAYS ago; a retry begins them anew."""
    moment = timezone.now() - timedelta(days=settings.KEEP_STATES_DAYS)
    yield from TrainingRun.objects.filter(
        round__state__in=[State.FAILED, State.CANCELLED], round__ended_at__lt=moment
    )


def _leftovers() -> Iterator[Path]:
    """Half-written folders and files of processes that were killed a day ago or earlier."""
    for root in (Path(settings.CHECKPOINT_DIR), Path(settings.SNAPSHOT_DIR)):
        for suffix in ("new", "old"):
            for path in root.rglob(f".*.{suffix}"):
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    yield path
