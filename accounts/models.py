"""The people of an installation: one user model, one role each."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Role(models.TextChoices):
    """What someone came to do. Nobody has two; an admin may do everything."""

    LABELER = "labeler", "Labeler"
    RESEARCHER = "researcher", "Researcher"
    ADMIN = "admin", "Admin"
    CLIENT = "client", "API client"


class User(AbstractUser):
    """An account. The pseudonym stands for the person wherever labels leave the installation."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.LABELER)
    pseudonym = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    REQUIRED_FIELDS = ["role"]

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_known")
        ]

    @property
    def runs_the_desk(self) -> bool:
        """Whether the admin site is open to this account."""
        return self.is_active and self.role in (Role.RESEARCHER, Role.ADMIN)
