"""Addresses that people may have kept."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from models_service.models import ModelVersion


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/console/playground/?queue=1", "/admin/playground/?queue=1"),
        ("/console/versions/add/", "/admin/versions/add/"),
        ("/console/versions/{pk}/check/", "/admin/versions/{pk}/check/"),
        ("/console/rating-form/", "/admin/rating-form/"),
    ],
)
def test_pages_that_moved_into_the_admin_are_found_at_their_old_addresses(
    client: Client, rosa: User, old: str, new: str
) -> None:
    version = ModelVersion.objects.create(name="tiny", kind="base", checkpoint="tiny")
    client.force_login(rosa)
    answer = client.get(old.format(pk=version.pk))
    assert (answer.status_code, answer["Location"]) == (302, new.format(pk=version.pk))
    assert client.get(answer["Location"]).status_code == 200
