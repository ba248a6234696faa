"""Guidelines and forms: versioned, so that an old label keeps the one it was made with."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.task_kinds import TaskKind


class Purpose(models.TextChoices):
    """What the label is for."""

    TRAINING = "training", "Training"
    EVALUATION = "evaluation", "Evaluation"
    SCREENING = "screening", "Screening"


class Guideline(models.Model):
    """One version of the instructions for a kind of task, in Markdown."""

    kind = models.CharField(max_length=16, choices=TaskKind.choices)
    purpose = models.CharField(max_length=16, choices=Purpose.choices, default=Purpose.TRAINING)
    version = models.PositiveIntegerField()
    text = models.TextField()
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["kind", "purpose", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "purpose", "version"], name="guideline_version")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.get_purpose_display()} v{self.version}"


class GuidelineRead(models.Model):
    """A labeler has read this version of a guideline."""

    guideline = models.ForeignKey(Guideline, on_delete=models.CASCADE, related_name="reads")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="guidelines_read"
    )
    read_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["labeler", "guideline"], name="guideline_read_once")
        ]

    def __str__(self) -> str:
        return f"{self.labeler} read {self.guideline}"


class FormVersion(models.Model):
    """One version of the rating form: `{"scale": {...}, "flags": [{name, label, group, key}]}`."""

    version = models.PositiveIntegerField(unique=True)
    fields = models.JSONField()
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"Form v{self.version}"
