"""`manage.py import_prompts`."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from labeling.intake import imports
from labeling.models import Import, Prompt

pytestmark = pytest.mark.django_db
Run = Callable[..., dict[str, Any]]

GOOD = [
    {"prompt": "Why is the sky blue?", "use_case": "open_qa", "author": "a", "topic": None},
    {"text": "Say hello.", "organisation": "Acme"},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
    {
        "kind": "few_shot",
        "instruction": "Double it.",
        "examples": [{"input": "1", "output": "2"}, {"input": "2", "output": "4"}],
    },
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(b"...", "--skip-invalid")`: the result as JSON, with the exit code."""

    def call(content: bytes, *options: str, name: str = "prompts.jsonl") -> dict[str, Any]:
        path, out, code = tmp_path / name, StringIO(), 0
        path.write_bytes(content)
        try:
            call_command("import_prompts", str(path), "--json", *options, stdout=out)
        except SystemExit as stop:
            code = int(str(stop.code))
        return json.loads(out.getvalue()) | {"code": code}

    return call


def _jsonl(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_it_imports_every_shape(run: Run) -> None:
    result = run(_jsonl(*GOOD))
    assert (result["code"], result["added"], result["imported"]) == (0, 4, True)
    few_shot = Prompt.objects.get(kind="few_shot")
    assert few_shot.last_message == "Double it.\n\nInput: 1\nOutput: 2\n\nInput: 2\nOutput:"
    assert Prompt.objects.get(author="a").use_case == "open_qa"


BAD = {
    "not JSON": (b'{"prompt": "Hi"', "is not JSON"),
    "empty text": (b'{"prompt": "  "}', "prompt is empty"),
    "no text": (b'{"author": "x"}', "messages is missing"),
    "wrong encoding": ('{"prompt": "Grüße"}'.encode("latin-1"), "is not UTF-8 (byte"),
    "a line of 10 MB": (b'{"prompt": "' + b"x" * 10_000_000 + b'"}', "is longer than 1,000,000"),
    "unknown use case": (b'{"prompt": "Hi", "use_case": "spying"}', "use_case 'spying' is unknown"),
    "unknown kind": (b'{"prompt": "Hi", "kind": "ode"}', "kind 'ode' is unknown"),
    "an escaped NUL": (b'{"prompt": "a\\u0000b"}', "holds a NUL"),
    "a NUL": (b'{"prompt": "a\0b"}', "holds a NUL"),
    "half a surrogate pair": (b'{"prompt": "\\ud800"}', "half a surrogate"),
    "a list": (b"[1, 2]", "must be an object"),
    "a deep nest": (b"[" * 100_000, "is not JSON"),
    "the assistant last": (
        b'{"messages": [{"role": "assistant", "content": "Hi"}]}',
        "must end with a message of the user",
    ),
    "an unknown role": (b'{"messages": [{"role": "god", "content": "Hi"}]}', "messages[0].role"),
    "one pair": (
        b'{"kind": "few_shot", "instruction": "x", "examples": [{"input": "1", "output": "2"}]}',
        "at least two",
    ),
    "a long author": (b'{"prompt": "Hi", "author": "' + b"x" * 201 + b'"}', "author is longer"),
}


@pytest.mark.parametrize(("line", "reason"), BAD.values(), ids=BAD.keys())
def test_it_imports_nothing_and_names_the_bad_line(run: Run, line: bytes, reason: str) -> None:
    result = run(_jsonl(GOOD[0]) + line + b"\n" + _jsonl(GOOD[1]))
    assert (result["code"], result["imported"]) == (1, False)
    [bad] = result["rejects"]
    assert bad["line"] == 2
    assert reason in bad["reason"]
    assert not Prompt.objects.exists()


def test_it_names_every_bad_line(run: Run) -> None:
    result = run(b"\n".join(line for line, _ in BAD.values()))
    assert [bad["line"] for bad in result["rejects"]] == list(range(1, len(BAD) + 1))


def test_skip_invalid_imports_the_rest_and_keeps_the_rejects(run: Run, tmp_path: Path) -> None:
    result = run(_jsonl(GOOD[0]) + b"oops\n" + _jsonl(GOOD[1]), "--skip-invalid")
    assert (result["code"], Prompt.objects.count()) == (0, 2)
    rejects = (tmp_path / "prompts.jsonl.rejects.jsonl").read_text()
    assert json.loads(rejects)["line"] == 2
    assert json.loads(rejects)["text"] == "oops"


def test_a_dry_run_keeps_nothing(run: Run) -> None:
    result = run(_jsonl(*GOOD), "--dry-run")
    assert (result["code"], result["added"], Prompt.objects.count()) == (0, 4, 0)


def test_it_reads_csv_with_a_byte_order_mark_and_quoted_lines(run: Run) -> None:
    content = b'\xef\xbb\xbfprompt,use_case,author\n"Say ""hi"",\nplease",chat,ada\nWhy?,,\n'
    assert run(content, name="prompts.csv")["added"] == 2
    assert Prompt.objects.get(author="ada").last_message == 'Say "hi",\nplease'


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"Hi,spying", "use_case 'spying'"),
        (b",chat", "messages is missing"),
        (b"Hi,chat,more", "more cells"),
        (b"Hi", "fewer cells"),
        (b'"Hi,chat', "unexpected end of data"),
        ("Grüße,chat".encode("latin-1"), "is not UTF-8"),
    ],
)
def test_it_names_bad_rows_of_a_csv_file(run: Run, row: bytes, reason: str) -> None:
    result = run(b"prompt,use_case\nWhy?,chat\n" + row + b"\n", name="prompts.csv")
    assert result["code"] == 1
    assert [bad["line"] for bad in result["rejects"]] == [3]
    assert reason in result["rejects"][0]["reason"]
    assert not Prompt.objects.exists()


def test_it_drops_what_is_there_already(run: Run) -> None:
    run(_jsonl(GOOD[0]))
    result = run(_jsonl(GOOD[0] | {"prompt": "WHY is  the sky blue?"}, GOOD[1], GOOD[1]))
    assert (result["added"], result["duplicates"]) == (1, 2)


def test_it_links_near_duplicates_to_the_one_kept(run: Run) -> None:
    start = "Please summarise the following report for me in one sentence. " * 4
    result = run(_jsonl({"prompt": start + "One."}, {"prompt": start + "Two."}))
    assert (result["added"], result["near_duplicates"]) == (1, 1)
    duplicate = Prompt.objects.get(state="duplicate")
    assert duplicate.duplicate_of.last_message.endswith("One.")
    assert run(_jsonl({"prompt": start + "Three."}))["near_duplicates"] == 1


def test_it_keeps_at_most_so_many_prompts_of_an_author(run: Run, settings: Any) -> None:
    settings.LABELING = settings.LABELING | {"max_prompts_per_author": 3}
    run(_jsonl(*({"prompt": f"Old {n}", "author": "a"} for n in range(2))))
    result = run(_jsonl(*({"prompt": f"New {n}", "author": "a"} for n in range(3))))
    assert (result["added"], result["over_limit"]) == (1, 2)


def test_all_prompts_of_an_organisation_are_on_one_side(run: Run) -> None:
    rows = [{"prompt": f"{n}", "author": f"a{n}", "organisation": "Acme"} for n in range(30)]
    run(_jsonl(*rows))
    assert Prompt.objects.values("split").distinct().count() == 1


def test_it_says_that_somebody_ended_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    check = imports.check

    def check_and_lose(*args: Any, **options: Any) -> None:
        check(*args, **options)
        Import.objects.update(state="cancelled", ended_at=timezone.now())

    monkeypatch.setattr(imports, "check", check_and_lose)
    with pytest.raises(CommandError, match="was ended"):
        run(_jsonl(*GOOD))
    assert not Prompt.objects.exists()


def test_it_says_when_there_is_no_such_file() -> None:
    with pytest.raises(CommandError, match="no file"):
        call_command("import_prompts", "/nowhere/prompts.jsonl")


def test_it_imports_thousands_in_few_queries(run: Run, django_assert_max_num_queries: Any) -> None:
    content = _jsonl(*({"prompt": f"Question {n}?", "author": f"a{n % 50}"} for n in range(3000)))
    with django_assert_max_num_queries(80):
        assert run(content)["added"] == 3000


def test_it_names_every_bad_line_to_a_person(tmp_path: Path) -> None:
    path, said = tmp_path / "prompts.jsonl", StringIO()
    path.write_text("oops\n" * 60)
    with pytest.raises(SystemExit):
        call_command("import_prompts", str(path), stdout=StringIO(), stderr=said)
    lines = said.getvalue().splitlines()
    assert len(lines) == 60
    assert lines[-1].startswith("line 60: ")


def test_a_csv_record_that_holds_a_bad_line_is_not_imported(run: Run) -> None:
    bad = 'Grüße, ""du""\n'.encode("latin-1")
    content = (
        b'prompt,use_case\n"Say\n' + bad + b'to me",chat\n' + b"Why?,chat\n" + bad + b"Hi,chat\n"
    )
    result = run(content, "--skip-invalid", name="prompts.csv")
    assert [reject["line"] for reject in result["rejects"]] == [3, 6]
    assert [prompt.last_message for prompt in Prompt.objects.order_by("pk")] == ["Why?", "Hi"]


def test_a_long_conversation_fits_into_a_cell(run: Run) -> None:
    # Longer than the csv module's own limit, 131,072, though not more than is searched for
    # personal data.
    turns = [{"role": "user", "content": "é" * 30_000}] * 3
    cell = json.dumps(turns).replace('"', '""')
    assert run(f'messages\n"{cell}"\n'.encode(), name="prompts.csv")["added"] == 1
