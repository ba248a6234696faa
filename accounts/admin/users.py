"""Accounts, everybody's API tokens and the audit log in the admin, for admins alone: Django's
permissions are theirs through `follow_role`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from knox.models import AuthToken
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.admin.base import AdminsOnly, DayRange, RecordAdmin, is_admin
from accounts.audit import Act, changes, record, targets
from accounts.models import AuditEntry, Role, TokenGrant, User
from accounts.permissions import ADMIN_ROLES, person
from accounts.services import follow_role
from accounts.tokens import revoke_token

# Their values stay out of the log: it is never changed, and a person may have to be forgotten.
_PERSONAL = frozenset(
    {"username", "password", "password1", "password2", "first_name", "last_name", "email"}
)
_MOST_NAMED = 100
_DIGITS = 19  # a longer number is no row's
_SHORT = 300

admin.site.unregister([Group, AuthToken])


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "role", "is_active", "last_login")
    list_filter = ("role", "is_active")
    fieldsets = (
        (None, {"fields": ("username", "password", "role", "is_active")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "role", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        follow_role(obj)
        super().save_model(request, obj, form, change)
        act = Act.ACCOUNT_CHANGED if change else Act.ACCOUNT_ADDED
        record(act=act, by=person(request), target=obj, detail=changes(form, unnamed=_PERSONAL))

    @transaction.atomic
    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Django's page, and an entry where it has set the password."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            record(act=Act.PASSWORD_SET, by=person(request), target=User.objects.get(pk=id))
        return answer


@admin.register(TokenGrant)
class TokenGrantAdmin(AdminsOnly):
    """Everybody's API tokens, without secrets. To delete one here is to revoke it."""

    list_display = ("__str__", "owner", "limited_to", "made", "ends", "last_used_at")
    list_select_related = ("token__user",)
    fields = readonly_fields = ("owner", "name", "limited_to", "made", "ends", "last_used_at")
    search_fields = ("name", "token__user__username")
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    def delete_model(self, request: HttpRequest, obj: TokenGrant) -> None:
        revoke_token(token_id=obj.pk, by=person(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        for pk in list(queryset.values_list("pk", flat=True)):
            revoke_token(token_id=pk, by=person(request))

    @display(description="Whose")
    def owner(self, grant: TokenGrant) -> str:
        return grant.token.user.username

    @display(description="Scopes")
    def limited_to(self, grant: TokenGrant) -> str:
        return ", ".join(grant.scopes) or "all that the role may do"

    @display(description="Made", ordering="token__created")
    def made(self, grant: TokenGrant) -> datetime:
        return grant.token.created

    @display(description="Ends", ordering="token__expiry")
    def ends(self, grant: TokenGrant) -> datetime | None:
        return grant.token.expiry


class ByPerson(DropdownFilter):
    title = "who"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        people = User.objects.filter(role__in=ADMIN_ROLES).order_by("username")
        return [("0", "A command"), *people.values_list("pk", "username")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not (value := self.value()):
            return queryset
        return queryset.filter(by=None) if value == "0" else queryset.filter(by=value)


class ByAct(DropdownFilter):
    title = "what"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return sorted(Act.choices, key=lambda choice: str(choice[1]))

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(act=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(RecordAdmin):
    """What was done in the admin and by commands. Nobody changes it, the database sees to that."""

    list_display = ("at", "who", "what", "target", "said")
    list_display_links = None
    list_filter = (ByPerson, ByAct, ("at", DayRange))
    list_filter_submit = True
    list_select_related = ("by",)
    search_fields = ("detail",)
    search_help_text = "A name, a number, or words of the detail."

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return person(request).role == Role.ADMIN

    has_module_permission = has_view_permission

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Entries by or about an account of that name, about that number, or with those words."""
        if not search_term:
            return queryset, False
        named = User.objects.filter(username__icontains=search_term).values_list("pk", flat=True)
        accounts = list(named[:_MOST_NAMED])
        found = Q(said=SearchQuery(search_term, config="simple")) | Q(by__in=accounts)
        found |= Q(target_kind=User._meta.label_lower, target_id__in=accounts)
        if search_term.isdecimal() and len(search_term) < _DIGITS:
            found |= Q(target_id=int(search_term))
        words = SearchVector("detail", config="simple")
        return queryset.alias(said=words).filter(found), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page's rows, with what they are about fetched at once."""
        page = super().get_changelist_instance(request)
        page.result_list = entries = list(page.result_list)
        rows = targets(entries)
        for entry in entries:
            entry.about = rows.get((entry.target_kind, entry.target_id))
        return page

    @display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        return entry.by.username if entry.by else "A command"

    @display(description="What")
    def what(self, entry: AuditEntry) -> str:
        return str(Act(entry.act).label) if entry.act in Act.values else entry.act

    @display(description="Target")
    def target(self, entry: Any) -> str:
        if entry.target_id is None:
            return "–"
        kind = entry.target_kind.split(".")[-1]
        if entry.about is None:
            return f"{kind} {entry.target_id} (gone)"
        try:
            name = entry.target_kind.replace(".", "_")
            page = reverse(f"admin:{name}_change", args=[entry.target_id])
        except NoReverseMatch:
            return str(entry.about)
        return format_html('<a class="underline" href="{}">{}</a>', page, entry.about)

    @display(description="Detail")
    def said(self, entry: AuditEntry) -> str:
        lines = (f"{name}: {_told(value)}" for name, value in entry.detail.items())
        text = "; ".join(lines)
        return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def _told(value: Any) -> str:
    """A value of a detail; a pair is what it was and what it became."""
    if isinstance(value, list) and len(value) == 2:
        return f"{_told(value[0])} → {_told(value[1])}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
