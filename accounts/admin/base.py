"""Base classes of the admin site: who runs the admin, and what stays as it was written."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.formats import get_format as formats_of
from django.utils.timezone import make_aware
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateFilter

from accounts.audit import Act, changes, record
from accounts.models import User
from accounts.permissions import may, person


class BoundedPaginator(Paginator):
    """Pages of a long table: counts and shows the first five thousand rows and says so.

    Counting a million rows takes longer than reading the page that somebody wants.
    """

    template_name = "admin_home/pages.html"
    MOST = 5_000

    def page(self, number: int | str) -> Page:
        """A page, found by numbers alone: rows that are only skipped are never read."""
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        rows: Any = self.object_list
        numbers = list(rows.values_list("pk", flat=True)[first : first + self.per_page])
        return Page(rows.filter(pk__in=numbers), number, self)

    @cached_property
    def count(self) -> int:
        return min(self._counted, self.MOST)

    @property
    def is_cut(self) -> bool:
        """Whether there is more than the pages show."""
        return self._counted > self.MOST

    @cached_property
    def _counted(self) -> int:
        # Numbers alone: neither order nor annotations are needed to count.
        return self.object_list.order_by().values("pk")[: self.MOST + 1].count()  # type: ignore[attr-defined]


class DayRange(RangeDateFilter):
    """From one day to another, both included, in the installation's time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        first, last = self._day("from"), self._day("to")
        if first:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        if last:
            end = last + timedelta(days=1)
            queryset = queryset.filter(**{f"{self.parameter_name}__lt": end})
        return queryset

    def _day(self, end: str) -> datetime | None:
        text = self.used_parameters.get(f"{self.parameter_name}_{end}")
        formats = formats_of("DATE_INPUT_FORMATS")
        for form in formats if isinstance(text, str) else ():
            with suppress(ValueError):
                return make_aware(datetime.strptime(text, form))
        return None


class SiteAdmin(ModelAdmin):
    """Researchers and admins see and edit; nobody deletes what labels may depend on."""

    compressed_fields = True
    warn_unsaved_form = True
    # What the audit log calls a change made with the page's own form; None where saving calls a
    # service, which writes the entry itself.
    act: ClassVar[Act | None] = None
    empty_hint = ""  # what an empty list says after "No … yet:", and its button
    empty_button = "Add one"

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if self.act and form.changed_data:
            record(act=self.act, by=person(request), target=obj, detail=changes(form))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _may_use_admin(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_use_admin(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_use_admin(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_use_admin(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(SiteAdmin):
    """For rows that only services write: to be read, never edited here. May be very many."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AdminsOnly(RecordAdmin):
    """Records that only admins see; the page to add one is our own."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_admin(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """One of our own pages in the admin's frame."""
        if not is_admin(request):
            raise PermissionDenied
        frame = self.admin_site.each_context(request)
        return TemplateResponse(request, template, {**frame, "opts": self.opts, **context})


def is_admin(request: HttpRequest) -> bool:
    """Whether an admin asks."""
    return isinstance(request.user, User) and may(request.user, ())


def _may_use_admin(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.runs_the_desk
