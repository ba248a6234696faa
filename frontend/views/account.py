"""Logging in and out, again in place too, and the password."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse_lazy
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.i18n import JavaScriptCatalog

JSON = "application/json"


class Login(LoginView):
    """The login page; a script that asks for JSON is answered 204 or 400 instead of a page."""

    template_name = "account/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        return HttpResponse(status=204) if self._in_place() else response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if self._in_place():
            return JsonResponse({"errors": form.errors}, status=400)
        return super().form_invalid(form)

    def _in_place(self) -> bool:
        return self.request.headers.get("Accept") == JSON


class PasswordChange(PasswordChangeView):
    """Everyone may change their own password."""

    template_name = "account/password.html"
    success_url = reverse_lazy("password_changed")


@login_not_required
@ensure_csrf_cookie
def session(request: HttpRequest) -> JsonResponse:
    """Whether the session still stands: 200 with the name, or 401."""
    if not request.user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse({"username": request.user.get_username()})


javascript_words = login_not_required(JavaScriptCatalog.as_view(packages=["frontend"]))
