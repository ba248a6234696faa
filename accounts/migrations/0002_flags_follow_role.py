"""Sets Django's own flags by the role, which could be changed at the desk without them."""

from __future__ import annotations

from typing import Any

from django.db import migrations

DESK = ("researcher", "admin")


def follow_roles(apps: Any, schema_editor: Any) -> None:
    users = apps.get_model("accounts", "User").objects
    users.filter(role__in=DESK).update(is_staff=True)
    users.exclude(role__in=DESK).update(is_staff=False)
    users.filter(role="admin").update(is_superuser=True)
    users.exclude(role="admin").update(is_superuser=False)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(follow_roles, migrations.RunPython.noop)]
