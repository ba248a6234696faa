"""What an installation keeps about its exports."""

from __future__ import annotations

from django.db import models


class ExportKey(models.Model):
    """The key of the pseudonyms that leave, sealed with SECRET_KEY. There is one."""

    only = models.BooleanField(default=True, unique=True)
    sealed = models.TextField(editable=False)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(only=True), name="export_key_is_one")
        ]

    def __str__(self) -> str:
        return "Key of the exported pseudonyms"
