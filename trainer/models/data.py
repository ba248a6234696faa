"""Data that leaves: exports, and persons that were erased."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from core.jobs import Job
from trainer.models.snapshots import DatasetSnapshot


class Export(Job):
    """Labels that somebody asked for as a file, and how far a worker is with it.

    One whose worker died or stopped is gone on with by the next worker. Its file is destroyed after
    some days; the row and its manifest stay.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Being written"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Cleaned up"
        WITHDRAWN = "withdrawn", "Withdrawn"

    what = models.CharField(max_length=16)
    shape = models.CharField(max_length=16)
    file = models.CharField(max_length=16)
    split = models.CharField(max_length=16)
    filters = models.JSONField(default=dict)
    snapshot = models.ForeignKey(
        DatasetSnapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0, help_text="Labels that match.")
    done = models.PositiveIntegerField(default=0, help_text="Labels written.")
    rows = models.PositiveIntegerField(default=0)
    manifest = models.JSONField(default=dict, blank=True)
    failure = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Export {self.pk}: {self.what}, {self.shape}"

    @property
    def path(self) -> Path:
        """Where the file lies on this machine."""
        name = f"export-{self.pk}-{self.what}-{self.shape}.{self.file}"
        return Path(settings.EXPORT_DIR) / name


class Erasure(models.Model):
    """That a person was erased, and what of theirs was found. Says nothing of who it was: `who` is
    a keyed hash, by which asking again for the same person is known."""

    who = models.CharField(max_length=64, db_index=True, editable=False)
    found = models.JSONField(help_text="How many rows or files of each kind.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Erasure {self.pk}"
