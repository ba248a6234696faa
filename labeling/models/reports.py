"""Reports: what a labeler tells an admin about a task, and the answer."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.models.tasks import Assignment


class Report(models.Model):
    """One labeler's words about one task; answered once, and the answer read once."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="reports")
    text = models.CharField(max_length=2000)
    created_at = models.DateTimeField(auto_now_add=True)
    answer = models.CharField(max_length=2000, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"], name="report_open", condition=models.Q(answered_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"Report {self.pk}"
