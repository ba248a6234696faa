"""The lists: pages by cursor, filters that are refused by name, what researchers do not see, and
as many statements for many rows as for one."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator

from accounts.models import User
from labeling.exports import files
from labeling.exports.orders import order
from labeling.models import Demonstration, LabelerProfile, LabelingTask, Prompt, Ranking
from labeling.work.guidelines import publish_guideline
from models_service.models import ModelVersion
from tests.labeling.management.importing import run

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]

LISTS = ("prompts", "tasks", "labels", "queues", "guidelines", "labelers", "versions")


@pytest.fixture
def label(claim: Call, api: Call, ranking_of: Call, make_task: Call) -> Call:
    """`label(ada)`: a new ranking, or a demonstration."""

    def call(user: User, kind: str = "ranking", **prompt: Any) -> None:
        make_task(kind, **prompt)
        held = claim(user, kind)
        body = ranking_of(held) if kind == "ranking" else {"text": "So it is."}
        response = api(user, f"assignments/{held['id']}/submit/", body)
        assert response.status_code == 200, response.content

    return call


@pytest.fixture
def ask(client_of: Callable[[User], Client], rosa: User) -> Call:
    """`ask("labels/?kind=ranking")`: the rows a researcher gets, or the answer itself if bad."""

    def call(path: str, user: User = rosa) -> Any:
        answer = client_of(user).get(path if path.startswith("http") else f"/api/v1/{path}")
        if answer.status_code != 200:
            return answer
        found = answer.json()
        return found["results"] if isinstance(found, dict) else found

    return call


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_for_researchers_and_admins(
    name: str, ask: Call, rosa: User, olga: User, ada: User, program: User
) -> None:
    for user in (rosa, olga):
        assert isinstance(ask(f"{name}/", user), list)
    for user in (ada, program):
        assert ask(f"{name}/", user).status_code == 403


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("kind=poem", "kind"),
        ("page_size=0", "page_size"),
        ("page_size=1001", "page_size"),
        ("page_size=many", "page_size"),
        ("cursor=nonsense", "cursor"),
        ("cursor=cD1hYmM=", "cursor"),  # p=abc, which is no number
        ("page_size=5&page_size=6", "page_size"),
    ],
)
def test_what_is_no_filter_or_no_value_is_refused_by_name(
    name: str, query: str, field: str, ask: Call
) -> None:
    answer = ask(f"{name}/?{query}")
    assert answer.status_code == 400
    assert field in answer.json()["errors"], answer.json()


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_beyond_all_numbers_ends_nowhere(name: str, ask: Call, ada: User) -> None:
    publish_guideline(kind="ranking", purpose="training", text="Be kind.")
    cursor = b64encode(b"p=" + b"9" * 40).decode()
    assert len(ask(f"{name}/?cursor={cursor}")) == len(ask(f"{name}/"))


def test_pages_go_through_all_rows_both_ways(
    ask: Call, label: Call, ada: User, ben: User, client_of: Callable[[User], Client], rosa: User
) -> None:
    for number in range(5):
        label((ada, ben)[number % 2], ("ranking", "demonstration")[number % 2])
    for path in ("prompts/", "tasks/", "labels/"):
        whole, page, pages = ask(path), None, []
        assert len(whole) == 5
        at = f"/api/v1/{path}?page_size=2"
        while at:
            page = client_of(rosa).get(at).json()
            pages.append(page["results"])
            at = page["next"]
        assert [row["id"] for rows in pages for row in rows] == [row["id"] for row in whole]
        assert [len(rows) for rows in pages] == [2, 2, 1]
        assert page is not None
        assert client_of(rosa).get(page["previous"]).json()["results"] == pages[1]


def test_bare_lists_name_their_neighbours_in_a_header(
    client_of: Callable[[User], Client], rosa: User
) -> None:
    for text in ("One.", "Two.", "Three."):
        ModelVersion.objects.create(name=text, kind="base", checkpoint="nowhere")
    client = client_of(rosa)
    first = client.get("/api/v1/versions/?page_size=2")
    assert [row["name"] for row in first.json()] == ["Three.", "Two."]
    link = first["Link"]
    assert link.endswith('>; rel="next"')
    second = client.get(link[1 : link.index(">")])
    assert [row["name"] for row in second.json()] == ["One."]
    assert 'rel="prev"' in second["Link"]


def test_filters_choose(ask: Call, label: Call, ada: User, ben: User, version: Any) -> None:
    LabelerProfile.objects.create(user=ben, group="held_out")
    label(ada, use_case="chat")
    label(ada, "demonstration")
    label(ben, split="validation")
    Ranking.objects.filter(labeler=ben).update(excluded_at="2026-01-01T00:00Z")
    ada_is = next(row["labeler"] for row in ask("labels/?kind=demonstration"))
    for query, count in {
        "labels/": 3,
        "labels/?kind=ranking": 2,
        "labels/?use_case=chat": 1,
        "labels/?split=validation": 1,
        "labels/?group=held_out": 1,
        "labels/?counts=true": 2,
        "labels/?counts=false": 1,
        f"labels/?labeler={ada_is}": 2,
        "labels/?policy=secret-model&kind=ranking": 2,
        "labels/?policy=nobody": 0,
        "labels/?until=2020-01-01": 0,
        "labels/?since=2020-01-01T00:00:00Z&purpose=training": 3,
        "labels/?task=99999999999999999999": 0,
        "tasks/?kind=ranking": 2,
        "tasks/?split=validation&state=open": 1,
        "prompts/?use_case=chat": 1,
        "labelers/?group=held_out": 1,
        "labelers/?group=training": 1,
        f"labelers/?id={ada_is}": 1,
        "versions/?kind=base": 1,
        "versions/?name=secret-model&kind=reward": 0,
    }.items():
        found = ask(query)
        assert isinstance(found, list), found.json()
        assert len(found) == count, query
    assert ask("labels/?labeler=labeler-unknown").status_code == 400
    assert ask("labels/?since=yesterday").json()["errors"].keys() == {"since"}


def test_ids_are_those_that_exports_carry(
    ask: Call, label: Call, ada: User, tmp_path: Path
) -> None:
    label(ada)
    label(ada, "demonstration")
    for what, kind in (("rankings", "ranking"), ("demonstrations", "demonstration")):
        files.write(tmp_path / f"{what}.jsonl", order(what=what))
        left = json.loads((tmp_path / f"{what}.jsonl").read_text())
        [row] = ask(f"labels/?kind={kind}")
        assert left["id"] == str(row["id"])
        for name in ("labeler", "split", "use_case", "guideline", "active_seconds"):
            assert left[name] == row[name], name
    [row], [task] = ask("labels/?kind=ranking"), ask("tasks/?kind=ranking")
    ranking = Ranking.objects.get()
    assert row["task"] == task["id"] == ranking.task_id
    assert row["shown"] == ranking.display_order
    places = {place["completion"]: place["rank"] for place in row["places"]}
    assert places == dict(ranking.ranked.values_list("completion", "rank"))
    assert {one["id"] for one in task["completions"]} == places.keys()
    assert {one["policy"] for one in task["completions"]} == {"secret-model"}
    assert (task["labels"], task["labels_wanted"], task["set"]) == (1, 1, None)


def test_imported_labels_say_their_set_and_row(ask: Call, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    row = {"prompt": "Why?", "chosen": "So.", "rejected": "Well.", "row_id": "r7", "worker": "w1"}
    path.write_text(json.dumps(row))
    run(path, "--set", "theirs", "--licence", "MIT", "--split", "train")
    [found], [task] = ask("labels/?set=theirs"), ask("tasks/?set=theirs&purpose=imported")
    assert (found["set"], found["row"], task["row"]) == ("theirs", "r7", "r7")
    assert found["labeler"].startswith("labeler-")
    files.write(tmp_path / "out.jsonl", order(what="rankings"))
    assert json.loads((tmp_path / "out.jsonl").read_text())["labeler"] == found["labeler"]
    assert ask("labels/?set=others") == []


def test_researchers_see_no_personal_data(ask: Call, label: Call, ada: User, olga: User) -> None:
    label(ada)
    Prompt.objects.update(state="quarantined")
    writing = LabelingTask.objects.create(kind="prompt_writing", purpose="training", state="open")
    for path in ("prompts/", "tasks/?kind=ranking", "labels/"):
        assert ask(path) == []
        assert len(ask(path, olga)) == 1
    assert [row["id"] for row in ask("tasks/")] == [writing.pk]
    Prompt.objects.update(state="withdrawn", spans=[{"part": "messages.0"}])
    assert ask("labels/") == []
    Prompt.objects.update(state="withdrawn", spans=[])
    assert len(ask("labels/")) == 1


def test_names_of_labelers_are_for_admins(ask: Call, label: Call, ada: User, olga: User) -> None:
    label(ada)
    [told], [named] = ask("labelers/"), ask("labelers/", olga)
    assert (told["name"], named["name"]) == (None, "ada")
    assert (told["rankings"], told["demonstrations"], told["group"]) == (1, 0, "training")
    assert told["id"] == named["id"] == ask("labels/")[0]["labeler"]
    assert "ada" not in json.dumps([ask("labels/"), ask("tasks/"), told])


def test_guidelines_are_listed_now_or_ever(ask: Call) -> None:
    for text in ("Be kind.", "Be kinder."):
        publish_guideline(kind="ranking", purpose="training", text=text)
    publish_guideline(kind="demonstration", purpose="training", text="Be short.")
    assert {row["text"] for row in ask("guidelines/")} == {"Be kinder.", "Be short."}
    assert len(ask("guidelines/?which=all")) == 3
    assert [row["text"] for row in ask("guidelines/?version=1&kind=ranking")] == ["Be kind."]


@pytest.mark.parametrize("name", LISTS)
def test_many_rows_take_as_many_statements_as_few(
    name: str, label: Call, ada: User, ben: User, client_of: Callable[[User], Client], rosa: User
) -> None:
    def grow() -> None:
        for kind in ("ranking", "demonstration"):
            label(ada, kind)
            publish_guideline(kind=kind, purpose="training", text=f"{Prompt.objects.count()}")
        ModelVersion.objects.create(
            name=f"{Prompt.objects.count()}", kind="base", checkpoint="nowhere"
        )
        Demonstration.objects.update(labeler=ben)

    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            assert client.get(f"/api/v1/{name}/").status_code == 200
        return len(caught)

    client = client_of(rosa)
    grow()
    statements()
    few = statements()
    for _ in range(3):
        Ranking.objects.filter(guideline__isnull=False).update(guideline=None)
        grow()
    assert statements() == few
    assert few <= 12


def test_the_schema_names_each_filter() -> None:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    for name in LISTS:
        operation = paths[f"/api/v1/{name}/"]["get"]
        named = {one["name"] for one in operation["parameters"]}
        assert {"cursor", "page_size"} < named, name
        assert "400" in operation["responses"]
        assert not any(one.get("required") for one in operation["parameters"])
    labels = paths["/api/v1/labels/"]["get"]["parameters"]
    assert {"labeler", "since", "counts", "set"} < {one["name"] for one in labels}
