"""Export files as other programs read them, and an export that is interrupted."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from accounts.models import User
from core import __version__
from core.problems import Problem
from labeling.exports import FILES, SHAPES, files
from labeling.exports.containers import cell
from labeling.exports.orders import order
from labeling.models import Completion, Demonstration, RankedCompletion, Ranking

pytestmark = pytest.mark.django_db

Call = Callable[..., Any]
ROLE = {"whole": "user", "chat": "assistant", "trl": "user", "dpo": "user", "kto": "user"}
TEXT = '=HYPERLINK("x")\n"quoted", Grüße, 🙂'


@pytest.fixture
def labels(ada: User, make_task: Call) -> None:
    """Three demonstrations, and three rankings of four completions of which the first two tie."""
    _label(ada, make_task)


def _label(ada: User, make_task: Call, **fields: Any) -> None:
    for number in range(3):
        task = make_task("demonstration", **fields)
        Demonstration.objects.create(task=task, prompt=task.prompt, labeler=ada, text=TEXT)
        task = make_task(**fields)
        Completion.objects.filter(task=task, position=0).update(text=TEXT)
        ranking = Ranking.objects.create(task=task, prompt=task.prompt, labeler=ada)
        for at, completion in enumerate(task.completions.all()):
            RankedCompletion.objects.create(
                ranking=ranking,
                completion=completion,
                rank=(1, 1, 2, 3)[at],
                overall=7 - at,
                flags=["toxic"] if number else [],
            )


def read(path: Path) -> list[dict[str, Any]]:
    """The rows by a reader that knows nothing of us."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("what", "shape", "rows"),
    [
        ("demonstrations", "whole", 3),
        ("demonstrations", "chat", 3),
        ("demonstrations", "trl", 3),
        ("rankings", "whole", 3),
        ("rankings", "kto", 9),
        ("pairs", "whole", 15),
        ("pairs", "trl", 15),
        ("pairs", "dpo", 15),
    ],
)
def test_every_shape_reads_back_the_same_from_every_file(
    what: str, shape: str, rows: int, labels: None, tmp_path: Path
) -> None:
    found = {}
    for kind in FILES:
        path = tmp_path / f"out.{kind}"
        manifest = files.write(path, order(what=what, shape=shape, file=kind))
        found[kind] = read(path)
        assert len(found[kind]) == manifest["rows"] == rows
        assert set(found[kind][0]) == set(manifest["schema"])
        assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert manifest["tutelage_version"] == __version__
        assert manifest == json.loads(files.manifest_path(path).read_text())
    assert found["jsonl"] == found["parquet"]
    told = {name: str(value) for name, value in found["jsonl"][0].items() if isinstance(value, int)}
    assert told.items() <= found["csv"][0].items()
    messages = found["jsonl"][0].get("messages") or found["jsonl"][0]["prompt"]
    assert messages[-1]["role"] == ROLE[shape]
    assert TEXT in json.dumps(found["jsonl"], ensure_ascii=False).replace("\\n", "\n").replace(
        '\\"', '"'
    )


def test_the_shapes_say_what_the_labelers_said(labels: None, tmp_path: Path) -> None:
    files.write(tmp_path / "a.jsonl", order(what="rankings", shape="kto"))
    liked = [row["label"] for row in read(tmp_path / "a.jsonl")]
    assert liked == [True, True, True] * 3, "ratings 7, 6, 5 are liked; 4 says nothing"
    files.write(tmp_path / "b.jsonl", order(what="pairs", shape="trl"))
    margins = [row["margin"] for row in read(tmp_path / "b.jsonl")]
    assert sorted(margins[:5]) == [1.0, 1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_formula_is_a_text_in_csv(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert cell([text]).startswith("[")
    assert cell("1 - 1") == "1 - 1"


@pytest.mark.parametrize("kind", FILES)
def test_an_interrupted_export_goes_on_and_ends_in_the_same_bytes(
    kind: str, labels: None, ada: User, make_task: Call, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(files, "_CHUNK", 1)
    wanted = order(what="pairs", file=kind)
    whole, broken = tmp_path / f"whole.{kind}", tmp_path / f"broken.{kind}"
    files.write(whole, wanted)

    def die(labels: int, rows: int) -> None:
        if labels == 2:
            files.beside(broken, "unfinished").open("ab").write(b'{"half a li')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write(broken, wanted, report=die)
    assert not broken.exists()
    late = make_task()
    Ranking.objects.create(task=late, prompt=late.prompt, labeler=ada)
    seen: list[int] = []
    manifest = files.write(broken, wanted, report=lambda labels, rows: seen.append(labels))
    assert seen == [2, 3]
    assert broken.read_bytes() == whole.read_bytes()
    assert manifest["labels"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {
        whole.name,
        broken.name,
        f"{whole.name}.manifest.json",
        f"{broken.name}.manifest.json",
    }


def test_another_order_begins_afresh_and_two_writers_do_not_meet(
    labels: None, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"

    def die(labels: int, rows: int) -> None:
        if labels:
            with pytest.raises(Problem, match="Another process is writing"):
                files.write(path, order(what="rankings"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write(path, order(what="rankings"), report=die)
    assert files.write(path, order(what="demonstrations"))["rows"] == 3
    assert set(read(path)[0]) == set(SHAPES["demonstrations"]["whole"].schema)


def test_what_must_not_be_trained_on_is_in_no_order(
    labels: None, ada: User, make_task: Call
) -> None:
    wanted = order(what="rankings")
    assert (wanted.split, wanted.filters) == ("train", {"groups": ["training"]})
    assert len(list(wanted.rows(upto=Ranking.objects.latest("pk").pk))) == 3
    _label(ada, make_task, split="test")
    assert len(list(wanted.labels())) == 3
