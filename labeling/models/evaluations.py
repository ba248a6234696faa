"""Evaluations by labelers: versions side by side, two completions a task."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.models.prompts import Split
from models_service.models import ModelVersion


class HeadToHead(models.Model):
    """A ladder of versions compared on the same prompts; its tasks are of purpose evaluation.

    `ladder` lists the versions' ids from the foot up, the baseline among them. Every prompt has a
    task for each pair, and every task as many slots as labels are wanted of each group.
    """

    class Pairs(models.TextChoices):
        BASELINE = "baseline", "Every version against the baseline"
        ALL = "all", "Every version against every other"

    name = models.CharField(max_length=120, blank=True)
    ladder = models.JSONField()
    baseline = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    pairs = models.CharField(max_length=16, choices=Pairs.choices, default=Pairs.BASELINE)
    split = models.CharField(max_length=16, choices=Split.choices)
    prompts = models.PositiveIntegerField(help_text="How many prompts are asked.")
    labels_training = models.PositiveSmallIntegerField(default=1)
    labels_held_out = models.PositiveSmallIntegerField(default=0)
    seed = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "evaluation"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(split__in=[Split.VALIDATION, Split.TEST]),
                name="head_to_head_unseen_prompts",
            ),
            models.CheckConstraint(
                condition=models.Q(labels_training__gte=1) | models.Q(labels_held_out__gte=1),
                name="head_to_head_wants_labels",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"Evaluation {self.pk}"

    @property
    def labels_each(self) -> int:
        """Labels wanted of every pair of completions."""
        return self.labels_training + self.labels_held_out
