"""Programs that send users' prompts: what they may send, and what they sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ClientProfile(models.Model):
    """What one account may do at the API other than the setting says."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="client"
    )
    prompts_per_day = models.PositiveIntegerField(
        help_text="How many prompts the account may send in a day, instead of PROMPTS_PER_DAY."
    )

    class Meta:
        verbose_name = "limit of a client"
        verbose_name_plural = "limits of clients"

    def __str__(self) -> str:
        return f"Limit of {self.user}"


class ClientDay(models.Model):
    """How many prompts an account has sent on a day, in UTC."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    prompts = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "day"], name="client_day")]

    def __str__(self) -> str:
        return f"{self.day}"


class ClientRequest(models.Model):
    """A request that named an Idempotency-Key, and how it was answered."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    body = models.CharField(max_length=64)  # its SHA-256
    answer = models.JSONField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="client_request_once")]
        indexes = [models.Index(fields=["at"], name="client_request_at")]

    def __str__(self) -> str:
        return f"Request {self.pk}"
