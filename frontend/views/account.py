"""Logging in and out, again in place too, the password, and one's own API tokens."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.csrf import csrf_failure
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET
from django.views.i18n import JavaScriptCatalog

from accounts.models import Role
from accounts.permissions import EVERYONE, allowed, person
from accounts.scopes import SCOPES_OF_ROLE, Scope
from accounts.tokens import DEFAULT_DAYS, revoke_tokens_of, tokens_of
from frontend.landing import ARRIVING, home_of, is_destination

JSON = "application/json"
# What a new token can hold for, in days; the API takes any other number too.
TOKEN_DAYS = (7, 30, DEFAULT_DAYS, 365)


_SCOPES = {
    Scope.READ: lazy("See what my account may see"),
    Scope.LABEL: lazy("Take tasks, keep drafts and submit labels"),
    Scope.PROMPTS: lazy("Send and import prompts"),
    Scope.ROUNDS: lazy("Train, evaluate and promote models"),
    Scope.ADMIN: lazy("Run queues, guidelines, reviews, exports and erasures"),
}


class Login(LoginView):
    """The login page; a script that asks for JSON is answered 204 or 400 instead of a page."""

    template_name = "account/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        if self._in_place():
            return HttpResponse(status=204)
        self.request.session[ARRIVING] = True
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if self._in_place():
            return JsonResponse({"errors": form.errors}, status=400)
        return super().form_invalid(form)

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """The page that was asked for; "" if none was, or one of another host."""
        wanted: str = super().get_redirect_url()
        return wanted if is_destination(wanted) else ""

    def get_default_redirect_url(self) -> str:
        return home_of(self.request)

    def _in_place(self) -> bool:
        return self.request.headers.get("Accept") == JSON


class PasswordForm(PasswordChangeForm):
    """Django's, and a box that ends the account's API tokens too."""

    end_tokens = forms.BooleanField(
        required=False,
        label=lazy("Revoke all my API tokens as well"),
        help_text=lazy("Tick it where somebody may know the old password."),
    )


class PasswordChange(PasswordChangeView):
    """Everyone may change their own password."""

    form_class = PasswordForm
    template_name = "account/password.html"
    success_url = reverse_lazy("password_changed")

    @transaction.atomic
    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        if form.cleaned_data["end_tokens"]:
            revoke_tokens_of(person(self.request))
        return super().form_valid(form)


@allowed(*EVERYONE)
@require_GET
def tokens(request: HttpRequest) -> HttpResponse:
    """My own API tokens: list, make, rotate, revoke."""
    user = person(request)
    return render(
        request,
        "account/tokens.html",
        {
            "grants": tokens_of(user),
            "scopes": [(scope.value, _SCOPES[scope]) for scope in SCOPES_OF_ROLE[Role(user.role)]],
            "days": TOKEN_DAYS,
            "default_days": DEFAULT_DAYS,
            "now": timezone.now(),
        },
    )


def form_too_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The answer to a form whose token no longer holds; the login page is shown anew.

    Logging in elsewhere changes the token, so a login page left open in another tab meets this.
    """
    if request.path != reverse("login"):
        return csrf_failure(request, reason)
    if not request.user.is_authenticated:
        messages.info(request, _("This page had grown too old. Log in once more."))
    return redirect(request.get_full_path())


@login_not_required
@ensure_csrf_cookie
def session(request: HttpRequest) -> JsonResponse:
    """Whether the session still stands: 200 with the name, or 401."""
    if not request.user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse({"username": request.user.get_username()})


javascript_words = login_not_required(JavaScriptCatalog.as_view(packages=["frontend"]))
