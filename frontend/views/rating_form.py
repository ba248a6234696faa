"""The rating form in the admin: its fields as rows, a preview, and the next version."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.permissions import ADMIN_ROLES, allowed
from labeling.models import FormVersion
from labeling.work.rating_form import FIRST_FORM, LONGEST, MOST_FLAGS, RESERVED


@allowed(*ADMIN_ROLES)
@require_GET
def rating_form(request: HttpRequest) -> HttpResponse:
    """The newest form, to be changed and published as the next version."""
    newest = FormVersion.objects.order_by("-version").first()
    fields = newest.fields if newest else FIRST_FORM
    return render(
        request,
        "console/rating_form.html",
        {
            "version": newest.version if newest else 0,
            "scale": fields["scale"],
            "flags": fields["flags"],
            "groups": sorted(
                {flag["group"] for flag in fields["flags"]} | {"task", "harm", "stance"}
            ),
            "most": MOST_FLAGS,
            "longest": LONGEST,
            "reserved": RESERVED,
            "forms_url": reverse("api-forms"),
        },
    )
