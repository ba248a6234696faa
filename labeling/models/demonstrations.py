"""Demonstrations: what a labeler would have wanted the model to say."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.models.guidelines import Guideline
from labeling.models.labelers import LabelerProfile
from labeling.models.prompts import Prompt
from labeling.models.tasks import Assignment, LabelingTask


class Label(models.Model):
    """What every label keeps: who, on what, under which guideline, in how much active time.

    One that was imported has no labeler here: its task's origin says whose it is.

    An amended label is a new row that names the one it takes the place of; the old one stays,
    excluded. An assignment so has one first label, and each label at most one that follows it.
    """

    assignment = models.ForeignKey(
        Assignment, null=True, on_delete=models.PROTECT, related_name="+"
    )
    supersedes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    task = models.ForeignKey(LabelingTask, on_delete=models.PROTECT, related_name="+")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # The labeler's when it was given: whoever changes groups later moves no label.
    group = models.CharField(
        max_length=16,
        choices=LabelerProfile.Group.choices,
        default=LabelerProfile.Group.TRAINING,
        db_default=LabelerProfile.Group.TRAINING,
    )
    guideline = models.ForeignKey(Guideline, null=True, on_delete=models.PROTECT, related_name="+")
    active_seconds = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    excluded_at = models.DateTimeField(null=True, blank=True)
    excluded_reason = models.CharField(max_length=400, blank=True)
    # Nobody where the labeler amended it.
    excluded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        abstract = True
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["labeler", "-id"], name="%(class)s_list_labeler"),
            models.Index(fields=["created_at"], name="%(class)s_lately"),
            models.Index(
                fields=["-id"],
                name="%(class)s_excluded",
                condition=models.Q(excluded_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["assignment"],
                condition=models.Q(supersedes__isnull=True),
                name="%(class)s_first_once",
            )
        ]


class Demonstration(Label):
    """The ideal response to a prompt, written by a labeler. Immutable."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="demonstrations")
    text = models.TextField()

    class Meta(Label.Meta):
        constraints = [
            *Label.Meta.constraints,
            # One whose text was erased cannot count again.
            models.CheckConstraint(
                condition=~models.Q(text="") | models.Q(excluded_at__isnull=False),
                name="demonstration_says_something",
            ),
        ]

    def __str__(self) -> str:
        return f"Demonstration {self.pk}"
