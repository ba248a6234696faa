"""URLs of the pages."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView, PasswordChangeDoneView
from django.urls import path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from frontend.views import account, guidelines, home, mine, playground, rating_form, work

urlpatterns = [
    path("", home.home, name="home"),
    path("work/", home.work, name="work"),
    path("login/", account.Login.as_view(), name="login"),
    path("logout/", login_not_required(LogoutView.as_view()), name="logout"),
    path("password/", account.PasswordChange.as_view(), name="password_change"),
    path(
        "password/changed/",
        PasswordChangeDoneView.as_view(template_name="account/password_changed.html"),
        name="password_changed",
    ),
    path("tokens/", account.tokens, name="tokens"),
    path("session/", account.session, name="session"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("words.js", account.javascript_words, name="javascript_words"),
    path("work/assignments/<int:pk>/", work.assignment, name="assignment"),
    path("work/assignments/<int:pk>/amend/", work.amend, name="amend"),
    path("work/mine/", mine.labels, name="mine"),
    path("work/mine/<int:pk>/", mine.label, name="my-label"),
    path("work/topics/", mine.topics, name="topics"),
    path("alike/", work.alike, name="alike"),
    path("personal/", work.personal, name="personal"),
    path("work/<slug:kind>/", work.queue, name="queue"),
    # Where these pages were until 0.2.0.
    path("console/<path:rest>", RedirectView.as_view(url="/admin/%(rest)s", query_string=True)),
    path("admin/playground/", playground.playground, name="playground"),
    path("admin/versions/<int:pk>/check/", playground.check_version, name="check-version"),
    path("admin/versions/add/", playground.add_version, name="add-version"),
    path("admin/rating-form/", rating_form.rating_form, name="rating-form"),
    path("preview/", work.preview, name="preview"),
    path("guidelines/", guidelines.guidelines, name="guidelines"),
    path("guidelines/new/", guidelines.new_version, name="new-guideline"),
    path("guidelines/preview/", guidelines.preview, name="guideline-preview"),
    path(
        "guidelines/<slug:kind>/<slug:purpose>/<int:version>/",
        guidelines.guideline,
        name="guideline",
    ),
]
