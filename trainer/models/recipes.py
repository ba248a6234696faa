"""Recipes under a name, and the schedules that start them."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from trainer.models.rounds import TrainingRound


class SavedRecipe(models.Model):
    """A complete recipe under a name, to start rounds from."""

    name = models.CharField(max_length=120, unique=True)
    preset = models.CharField(max_length=40)
    recipe = models.JSONField()
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Schedule(models.Model):
    """A saved recipe that starts by itself: at a time of the week, or after so many new rankings.

    `weekday` counts from Monday = 0; none means every day. `next_at` is the coming start of the
    first kind; `rankings_then` how many rankings there were when the second kind last started.
    """

    recipe = models.ForeignKey(SavedRecipe, on_delete=models.CASCADE, related_name="schedules")
    weekday = models.PositiveSmallIntegerField(null=True, blank=True)
    at = models.TimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    after_rankings = models.PositiveIntegerField(null=True, blank=True)
    rankings_then = models.PositiveBigIntegerField(default=0)
    paused = models.BooleanField(default=False)
    last_round = models.ForeignKey(
        TrainingRound, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    failure = models.TextField(blank=True, help_text="Why it could not start when it was due.")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    at__isnull=False, next_at__isnull=False, after_rankings__isnull=True
                )
                | models.Q(
                    at__isnull=True,
                    next_at__isnull=True,
                    weekday__isnull=True,
                    after_rankings__gte=1,
                ),
                name="schedule_is_of_one_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(weekday__isnull=True) | models.Q(weekday__lte=6),
                name="schedule_weekday",
            ),
        ]

    def __str__(self) -> str:
        return f"Schedule of {self.recipe}"
