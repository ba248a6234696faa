"""What is known of a labeler beyond the account: group, state, wishes, and counted figures."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.task_kinds import TaskKind


class LabelerProfile(models.Model):
    """The labeler's group, state and wishes. Held-out labelers never produce training data.

    Who has none is in the training group and active. The order of states stands in
    `labeling.states`.
    """

    class Group(models.TextChoices):
        TRAINING = "training", "Training"
        HELD_OUT = "held_out", "Held out"

    class State(models.TextChoices):
        INVITED = "invited", "Invited"
        CANDIDATE = "candidate", "Candidate"
        IN_TRAINING = "in_training", "In training"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        LEFT = "left", "Left"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="labeler"
    )
    group = models.CharField(max_length=16, choices=Group.choices, default=Group.TRAINING)
    state = models.CharField(
        max_length=16,
        choices=State.choices,
        default=State.ACTIVE,
        db_default=State.ACTIVE,
        editable=False,
    )
    declined_topics = models.JSONField(default=list, blank=True)
    languages = models.JSONField(
        default=list, db_default=[], blank=True, help_text="Codes of those they label in, as en."
    )

    class Meta:
        verbose_name = "labeler"

    def __str__(self) -> str:
        return str(self.user)


class DailyTotal(models.Model):
    """What one labeler did on one day in one kind of task, so that no page counts labels.

    `labeling.people.totals` brings the rows up to date and can make them anew. Labels are counted
    as they were first submitted, whatever became of them.
    """

    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    day = models.DateField()
    kind = models.CharField(max_length=16, choices=TaskKind.choices)
    labels = models.PositiveIntegerField(default=0)
    active_seconds = models.PositiveIntegerField(default=0)
    # Of rankings: pairs of completions and how many are tied; then rankings.
    pairs = models.PositiveIntegerField(default=0)
    tied = models.PositiveIntegerField(default=0)
    contradictory = models.PositiveIntegerField(default=0)
    too_fast = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    sent_back = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["labeler", "day", "kind"], name="daily_total_once")
        ]
        indexes = [models.Index(fields=["day"], name="daily_total_day")]

    def __str__(self) -> str:
        return f"{self.labeler} on {self.day}"


class LabelerFigures(models.Model):
    """Figures of a labeler that take their labels to compute, as of the last count."""

    labeler = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="figures"
    )
    # {kind: median active seconds of a label}
    median_seconds = models.JSONField(default=dict)
    # With others, over the latest rankings; None without comparisons.
    agreement = models.FloatField(null=True)
    agreement_low = models.FloatField(null=True)
    agreement_high = models.FloatField(null=True)
    comparisons = models.PositiveIntegerField(default=0)
    # As `labeling.people.ability` fits it; None before anything overlaps.
    ability = models.FloatField(null=True)
    ability_low = models.FloatField(null=True)
    ability_high = models.FloatField(null=True)
    last_label_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Figures of {self.labeler}"


class PeopleCount(models.Model):
    """Up to when daily totals and figures are counted: one row."""

    # None before the first count.
    counted_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Counted until {self.counted_until}"
