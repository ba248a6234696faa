"""The admin's pages for labeling."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from core.problems import Problem
from labeling.models import FormVersion, Guideline, Queue
from labeling.review.reports import report
from labeling.work.guidelines import current_form, publish_form, publish_guideline
from labeling.work.rating_form import FIRST_FORM

Call = Callable[..., Any]

TABLES = (
    "queue", "prompt", "labelingtask", "demonstration", "ranking", "assignment", "guideline",
    "formversion", "labelerprofile",
)  # fmt: skip


@pytest.fixture
def labeled(ada: User, make_task: Call, claim: Call, api: Call, ranking_of: Call) -> dict[str, Any]:
    """One ranking and one demonstration."""
    make_task()
    make_task("demonstration")
    held = claim(ada)
    api(ada, f"assignments/{held['id']}/submit/", ranking_of(held))
    held = claim(ada, "demonstration")
    api(ada, f"assignments/{held['id']}/submit/", {"text": "So it is."})
    return held


@pytest.mark.parametrize("table", TABLES)
def test_a_researcher_reads_lists_and_rows(
    rosa: User, labeled: Any, client_of: Call, table: str
) -> None:
    Queue.objects.create(kind="ranking", purpose="training")
    client = client_of(rosa)
    assert client.get(reverse(f"admin:labeling_{table}_changelist")).status_code == 200
    model = {t._meta.model_name: t for t in _models()}[table]
    if row := model.objects.first():
        page = client.get(reverse(f"admin:labeling_{table}_change", args=[row.pk]))
        assert page.status_code == 200


@pytest.mark.parametrize("table", ["ranking", "prompt", "labelingtask", "demonstration"])
def test_search_answers(rosa: User, labeled: Any, client_of: Call, table: str) -> None:
    path = reverse(f"admin:labeling_{table}_changelist")
    assert client_of(rosa).get(path, {"q": "Question"}).status_code == 200


@pytest.mark.parametrize("table", TABLES)
def test_a_labeler_reads_nothing(ada: User, client_of: Call, table: str) -> None:
    response = client_of(ada).get(reverse(f"admin:labeling_{table}_changelist"))
    assert response.status_code in (302, 403)


@pytest.mark.parametrize("table", ["ranking", "demonstration", "prompt", "labelingtask"])
def test_nobody_adds_or_deletes_records(
    olga: User, labeled: Any, client_of: Call, table: str
) -> None:
    client = client_of(olga)
    assert client.get(reverse(f"admin:labeling_{table}_add")).status_code == 403
    row = {t._meta.model_name: t for t in _models()}[table].objects.first()
    path = reverse(f"admin:labeling_{table}_delete", args=[row.pk])
    assert client.post(path, {"post": "yes"}).status_code == 403


def test_a_guideline_is_read_and_made_on_its_own_pages(
    rosa: User, ada: User, client_of: Call
) -> None:
    client, path = client_of(rosa), "/api/v1/guidelines/"
    assert client.get(reverse("admin:labeling_guideline_add"))["Location"] == "/guidelines/new/"
    body = {"kind": "ranking", "purpose": "training"}
    for text in ("Be kind.", "Be kinder."):
        sent = client.post(path, body | {"text": text}, "application/json")
        assert sent.status_code == 201
    assert [one["text"] for one in client.get(path).json()] == ["Be kinder."]
    versions = Guideline.objects.values_list("version", "text")
    assert list(versions) == [(2, "Be kinder."), (1, "Be kind.")]
    newest = Guideline.objects.latest("version")
    page = reverse("admin:labeling_guideline_change", args=[newest.pk])
    assert client.get(page)["Location"] == "/guidelines/ranking/training/2/"
    assert client_of(ada).post(path, body | {"text": "x"}, "application/json").status_code == 403


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"text": "  "}, "text", "is empty"),
        ({"text": "Be kind."}, "text", "the text of version 1; change something first"),
        ({"kind": "songs"}, "kind", "not a valid choice"),
        ({"purpose": "fun"}, "purpose", "not a valid choice"),
    ],
)
def test_a_guideline_that_says_nothing_new_is_refused(
    rosa: User, client_of: Call, change: dict[str, str], field: str, says: str
) -> None:
    publish_guideline(kind="ranking", purpose="training", text="Be kind.")
    body = {"kind": "ranking", "purpose": "training", "text": "Be kinder."} | change
    answer = client_of(rosa).post("/api/v1/guidelines/", body, "application/json")
    assert answer.status_code == 400
    assert says in " ".join(answer.json()["errors"][field])
    assert Guideline.objects.count() == 1


def test_the_next_form_is_made_on_its_own_page(rosa: User, client_of: Call) -> None:
    current_form()
    client = client_of(rosa)
    address = client.get(reverse("admin:labeling_formversion_add"))["Location"]
    page = client.get(address).content.decode()
    assert page.count('data-rating-form-target="row"') == len(FIRST_FORM["flags"]) + 1
    sent = client.post("/api/v1/forms/", json.dumps(_flags(FLAG)), "application/json")
    assert (sent.status_code, sent.json()) == (201, {"version": 2})
    newest, first = FormVersion.objects.all()
    assert (newest.fields["flags"], first.fields) == ([FLAG], FIRST_FORM)


def test_forms_are_not_for_labelers(ada: User, client_of: Call) -> None:
    client = client_of(ada)
    assert client.get("/admin/rating-form/").status_code == 403
    assert client.post("/api/v1/forms/", "{}", "application/json").status_code == 403


def test_a_report_is_answered_at_the_desk_once(
    ada: User, rosa: User, client_of: Call, make_task: Call, claim: Call
) -> None:
    make_task()
    told = report(assignment_id=claim(ada)["id"], labeler=ada, text="It is cut off.")
    client, path = client_of(rosa), reverse("admin:labeling_report_change", args=[told.pk])
    assert (
        "It is cut off." in client.get(reverse("admin:labeling_report_changelist")).content.decode()
    )
    assert "Write the answer first" in client.post(path, {"answer": " "}).content.decode()
    assert client.post(path, {"answer": "Rank what is there."}).status_code == 302
    told.refresh_from_db()
    assert (told.answer, told.answered_by) == ("Rank what is there.", rosa)
    assert client.post(path, {"answer": "Or not."}).status_code == 403


def _models() -> Any:
    from django.apps import apps

    return apps.get_app_config("labeling").get_models()


def _flags(*flags: Any) -> dict[str, Any]:
    return FIRST_FORM | {"flags": list(flags)}


FLAG = FIRST_FORM["flags"][0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"flags": {}},
        _flags("sexual_content"),
        _flags({"name": "rude"}),
        _flags(FLAG | {"key": 3}),
        _flags(FLAG | {"label": "  "}),
        _flags(FLAG, FLAG | {"key": "z"}),
        _flags(FLAG, FLAG | {"name": "rude"}),
        _flags(FLAG | {"key": "7"}),
        _flags(FLAG | {"key": "g"}),
        _flags(FLAG | {"name": "Very Rude"}),
        _flags(*[FLAG] * 25),
        _flags(FLAG) | {"scale": FIRST_FORM["scale"] | {"to": 5}},
    ],
)
def test_a_form_of_another_shape_never_reaches_the_table(
    rosa: User, client_of: Call, fields: Any
) -> None:
    sent = client_of(rosa).post("/api/v1/forms/", json.dumps(fields), "application/json")
    assert sent.status_code == 400
    with pytest.raises(Problem) as refused:
        publish_form(fields=fields)
    assert refused.value.status_code == 400
    assert not FormVersion.objects.exists()
