"""Labels as they were frozen for a round."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models


class DatasetSnapshot(models.Model):
    """An immutable file of labels. Runs read it; nothing else of the database reaches them."""

    filename = models.CharField(max_length=200, unique=True)
    sha256 = models.CharField(max_length=64)
    filters = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    # Somebody in it was erased: the file is destroyed, the row stays for the lineage.
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.filename

    @property
    def path(self) -> Path:
        """Where the file lies on this machine."""
        return Path(settings.SNAPSHOT_DIR) / self.filename


class SnapshotLabel(models.Model):
    """One label in a snapshot: the step of the lineage between a label and a checkpoint."""

    snapshot = models.ForeignKey(DatasetSnapshot, on_delete=models.CASCADE, related_name="labels")
    demonstration = models.ForeignKey(
        "labeling.Demonstration", null=True, on_delete=models.PROTECT, related_name="snapshots"
    )
    ranking = models.ForeignKey(
        "labeling.Ranking", null=True, on_delete=models.PROTECT, related_name="snapshots"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(demonstration__isnull=False, ranking__isnull=True)
                | models.Q(demonstration__isnull=True, ranking__isnull=False),
                name="snapshot_label_is_one",
            )
        ]

    def __str__(self) -> str:
        return f"Label in {self.snapshot_id}"
