"""Reviews: what somebody in the admin tells a labeler about a label."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.models.tasks import Assignment


class Review(models.Model):
    """One word about the outcome of an assignment; the labeler reads it at home."""

    class Kind(models.TextChoices):
        COMMENT = "comment", "Comment"
        SENT_BACK = "sent_back", "Sent back"

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="reviews")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    text = models.CharField(max_length=2000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"
