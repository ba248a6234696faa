"""`/api/v1/imports/`: a file in pieces, looked at, accepted, its bad lines fetched."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from labeling import tasks
from labeling.intake import imports, uploads
from labeling.models import Import, Prompt

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]
CONTENT = b'{"prompt": "Why?"}\n=cmd()\n{"prompt": "Mail ada@lovelace.io"}\n'


@pytest.fixture(autouse=True)
def worker(settings: Any, tmp_path: Any, monkeypatch: Any) -> None:
    """Messages are worked on at once."""
    settings.UPLOAD_DIR = tmp_path / "uploads"
    monkeypatch.setattr(tasks.check_import, "delay", tasks.check_import)
    monkeypatch.setattr(tasks.store_import, "delay", tasks.store_import)


def _begin(olga: User, api: Call, size: int = len(CONTENT)) -> dict[str, Any]:
    answer = api(olga, "imports/", {"name": "a.csv", "size": size, "modified": 7})
    assert answer.status_code == 201, answer.content
    return answer.json()


def _send(client: Client, pk: int, offset: Any, piece: bytes) -> Any:
    path = f"/api/v1/imports/{pk}/content/?offset={offset}"
    return client.put(path, piece, content_type="application/octet-stream")


def test_a_file_comes_in_pieces_and_is_imported_when_accepted(
    olga: User, api: Call, client_of: Call
) -> None:
    pk, client = _begin(olga, api)["id"], client_of(olga)
    assert _send(client, pk, 0, CONTENT[:20]).json() == {"received": 20, "state": "receiving"}
    late = _send(client, pk, 0, CONTENT[:20])
    assert (late.status_code, late.json()["received"]) == (409, 20)
    assert _begin(olga, api)["received"] == 20
    assert _send(client, pk, 20, CONTENT[20:]).status_code == 200

    told = api(olga, f"imports/{pk}/", method="get").json()
    assert (told["state"], told["format"]) == ("checked", "jsonl")
    assert told["tally"]["personal"] == {"email": 1}
    assert (told["result"]["added"], told["result"]["quarantined"]) == (1, 1)
    assert [row["line"] for row in told["first"]] == [1, 3]
    assert not Prompt.objects.exists()

    refused = api(olga, f"imports/{pk}/accept/", {})
    assert (refused.status_code, refused.json()["detail"][:12]) == (409, "Bad lines: 1")
    assert api(olga, f"imports/{pk}/accept/", {"skip_invalid": True}).status_code == 200
    assert api(olga, f"imports/{pk}/", method="get").json()["state"] == "finished"
    assert Prompt.objects.count() == 2
    assert not (Import.objects.get().file).exists()


def test_bad_lines_leave_as_csv_that_no_spreadsheet_calculates(
    olga: User, api: Call, client_of: Call
) -> None:
    pk = _begin(olga, api)["id"]
    _send(client_of(olga), pk, 0, CONTENT)
    answer = client_of(olga).get(f"/api/v1/imports/{pk}/bad-lines/")
    rows = list(csv.reader(b"".join(answer.streaming_content).decode().splitlines()))
    assert rows[0] == ["line", "reason", "text"]
    assert (rows[1][0], rows[1][2]) == ("2", "'=cmd()")


def test_a_cancelled_upload_takes_nothing_more(olga: User, api: Call, client_of: Call) -> None:
    pk = _begin(olga, api)["id"]
    _send(client_of(olga), pk, 0, CONTENT[:9])
    assert api(olga, f"imports/{pk}/cancel/").status_code == 200
    assert _send(client_of(olga), pk, 9, CONTENT[9:]).status_code == 409
    assert api(olga, f"imports/{pk}/cancel/").status_code == 409
    assert not imports.abandoned()["check"]


@pytest.mark.parametrize(("size", "status"), [(0, 400), (10**15, 400)])
def test_a_file_of_no_size_is_refused(olga: User, api: Call, size: int, status: int) -> None:
    answer = api(olga, "imports/", {"name": "a", "size": size})
    assert (answer.status_code, list(answer.json()["errors"])) == (status, ["size"])


def test_pieces_are_short_and_have_a_place(olga: User, api: Call, client_of: Call) -> None:
    pk = _begin(olga, api, size=10**8)["id"]
    assert _send(client_of(olga), pk, "x", b"a").status_code == 400
    assert _send(client_of(olga), pk, 0, b"x" * (uploads.CHUNK + 1)).status_code == 413


def test_it_is_for_admins(ada: User, rosa: User, api: Call) -> None:
    for person in (ada, rosa):
        assert api(person, "imports/", {"name": "a", "size": 1}).status_code == 403


def test_a_check_that_breaks_says_so(
    olga: User, api: Call, client_of: Call, monkeypatch: Any
) -> None:
    pk = _begin(olga, api)["id"]
    monkeypatch.setattr(imports, "_stage", lambda *_: 1 / 0)
    _send(client_of(olga), pk, 0, CONTENT)
    told = api(olga, f"imports/{pk}/", method="get").json()
    assert (told["state"], "server's log" in told["failure"]) == ("failed", True)


def test_an_empty_piece_changes_nothing(olga: User, api: Call, client_of: Call) -> None:
    pk = _begin(olga, api)["id"]
    answer = _send(client_of(olga), pk, 0, b"")
    assert (answer.status_code, answer.json()["received"]) == (200, 0)


def test_an_upload_whose_file_is_lost_begins_anew(olga: User, api: Call, client_of: Call) -> None:
    pk, client = _begin(olga, api)["id"], client_of(olga)
    _send(client, pk, 0, CONTENT[:20])
    Import.objects.get().file.unlink()
    late = _send(client, pk, 20, CONTENT[20:])
    assert (late.status_code, late.json()["received"]) == (409, 0)
    assert _send(client, pk, 0, CONTENT).json()["received"] == len(CONTENT)


def test_of_an_import_that_failed_no_file_stays(olga: User, api: Call, client_of: Call) -> None:
    content = b"\x00\xff" * 9
    pk = _begin(olga, api, size=len(content))["id"]
    _send(client_of(olga), pk, 0, content)
    failed = Import.objects.get(state="failed")
    uploads.clean_old()
    assert not failed.file.exists()


def test_of_a_cancelled_import_no_text_stays(olga: User, api: Call, client_of: Call) -> None:
    pk = _begin(olga, api)["id"]
    _send(client_of(olga), pk, 0, CONTENT)
    assert api(olga, f"imports/{pk}/cancel/").status_code == 200
    cancelled = Import.objects.get()
    assert not (cancelled.file.exists() or cancelled.staged.exists() or cancelled.rejected.exists())
