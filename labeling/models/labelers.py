"""What is known of a labeler beyond the account."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class LabelerProfile(models.Model):
    """The labeler's group and wishes. Held-out labelers never produce training data."""

    class Group(models.TextChoices):
        TRAINING = "training", "Training"
        HELD_OUT = "held_out", "Held out"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="labeler"
    )
    group = models.CharField(max_length=16, choices=Group.choices, default=Group.TRAINING)
    declined_topics = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return str(self.user)
