"""Changes of many rows at once, kept so that they can be undone."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class BulkChange(models.Model):
    """One field of many prompts or tasks was set to one value; `before` knows what it was.

    `before` is `{old value as JSON: [ids]}`; `expired` lists the tasks that expired with withdrawn
    prompts. Where prompts were asked again, `opened` lists the new tasks, and `raised` those that
    waited already, by the priority they had.
    """

    class Table(models.TextChoices):
        PROMPT = "prompt", "prompts"
        TASK = "task", "tasks"

    table = models.CharField(max_length=16, choices=Table.choices)
    field = models.CharField(max_length=16)
    value = models.JSONField()
    before = models.JSONField()
    expired = models.JSONField(default=list)
    opened = models.JSONField(default=list)
    raised = models.JSONField(default=dict)
    count = models.PositiveIntegerField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Change {self.pk}"
