"""Logging in and out, again in place too, and the password."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.views.csrf import csrf_failure
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.i18n import JavaScriptCatalog

from frontend.landing import ARRIVING, home_of, is_destination

JSON = "application/json"


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


class PasswordChange(PasswordChangeView):
    """Everyone may change their own password."""

    template_name = "account/password.html"
    success_url = reverse_lazy("password_changed")


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
