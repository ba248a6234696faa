"""`/api/v1/imports/` with labels: options checked, first rows with their answers, then stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import AuditEntry, User
from labeling import tasks
from labeling.models import LabelSet, Ranking

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]

ROWS = [
    {"q": "Is it wet?", "chosen": "Yes.", "rejected": "No.", "worker": "w1", "mood": "good"},
    {"q": "Is it dry?", "chosen": "No.", "rejected": "No."},
]
CONTENT = "\n".join(map(json.dumps, ROWS)).encode()
FILE = {"name": "pairs.jsonl", "size": len(CONTENT), "what": "labels"}
TOLD = {"set": "hh", "licence": "MIT", "split": "train", "columns": {"prompt": "q"}}


@pytest.fixture(autouse=True)
def worker(settings: Any, tmp_path: Any, monkeypatch: Any) -> None:
    """Messages are worked on at once."""
    settings.UPLOAD_DIR = tmp_path / "uploads"
    monkeypatch.setattr(tasks.check_import, "delay", tasks.check_import)
    monkeypatch.setattr(tasks.store_import, "delay", tasks.store_import)


def test_labels_come_in(olga: User, api: Call, client_of: Call) -> None:
    begun = api(olga, "imports/", {**FILE, **TOLD}).json()
    path = f"imports/{begun['id']}/"
    client_of(olga).put(
        f"/api/v1/{path}content/?offset=0", CONTENT, content_type="application/octet-stream"
    )
    told = api(olga, path, method="get").json()
    assert (told["state"], told["result"]["rankings"], told["tally"]["bad"]) == ("checked", 1, 1)
    [row] = told["first"]
    assert row["label"]["answers"] == [{"rank": 1, "text": "Yes."}, {"rank": 2, "text": "No."}]
    assert (row["text"], row["label"]["of"], row["label"]["labeler"]) == ("Is it wet?", "hh", "w1")
    assert told["bad"][0]["reason"] == "rejected is the same as chosen"
    assert told["tally"]["ignored"] == {"mood": 1}
    assert not Ranking.objects.exists()
    assert api(olga, f"{path}accept/", {}).status_code == 409
    assert api(olga, f"{path}accept/", {"skip_invalid": True}).status_code == 200
    assert Ranking.objects.get().prompt.split == "train"
    assert str(LabelSet.objects.get()) == "hh (MIT)"
    assert AuditEntry.objects.get(act="labels_imported").detail["rankings"] == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"set": "here"}, "set"),
        ({"split": "holiday"}, "split"),
        ({"columns": {"mood": "q"}}, "columns"),
        ({"what": "wishes"}, "what"),
    ],
)
def test_options_are_checked_before_a_byte_comes(
    olga: User, api: Call, changes: dict[str, Any], field: str
) -> None:
    answer = api(olga, "imports/", {**FILE, **TOLD, **changes})
    assert (answer.status_code, [*answer.json()["errors"]]) == (400, [field])


def test_only_admins_bring_labels_in(rosa: User, api: Call) -> None:
    assert api(rosa, "imports/", {**FILE, **TOLD}).status_code == 403
