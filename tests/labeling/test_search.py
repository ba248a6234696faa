"""The lists of the admin find texts in any script, names, numbers, flags and disagreements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from labeling import search
from labeling.models import Completion, Demonstration, LabelingTask, Prompt, Ranking

Call = Callable[..., Any]

TEXTS = {
    "basil": "How do I keep Basilicum alive, don't say “water it”?",
    "tokyo": "東京都に行くにはどうすればいいですか。",
    "thai": "ฉันจะไปกรุงเทพได้อย่างไร",
    "arabic": "أين أجد الكتاب القديم؟",
    "hebrew": "איפה הספר הישן?",
    "german": "Welche GRÖẞE hat die Ärmelweite?",
    "code": "Explain foo_bar(x) in https://example.com/a-b?c=1 to rosa@example.com",
}


@pytest.fixture
def prompts(make_prompt: Call) -> dict[int, str]:
    return {make_prompt(text).pk: name for name, text in TEXTS.items()}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("basil", {"basil"}),
        ("BASILICUM alive", {"basil"}),
        ("basil dead", set()),
        ('"keep basilicum"', {"basil"}),
        ('"keep alive"', set()),
        ("don't", {"basil"}),
        ("water", {"basil"}),
        ("ba", set()),  # too short to go on
        ("京都に", {"tokyo"}),
        ("都東", set()),
        ("กรุงเทพ", {"thai"}),
        ("كتاب", {"arabic"}),
        ("ספר", {"hebrew"}),
        ("ärmel", {"german"}),
        ("ＢＡＳＩＬＩＣＵＭ", {"basil"}),  # full width
        ("foo_bar", {"code"}),
        ("rosa@example.com", {"code"}),
        ("example.com/a-b", {"code"}),
        ("how", {"basil"}),
        ("???", set()),
        ('"', set()),
        ("& | ! <-> :*", set()),
        ("'); drop table", set()),
    ],
)
def test_words_are_found_in_any_script(prompts: Any, asked: str, names: set[str]) -> None:
    rows = Prompt.objects.filter(search.found(asked, among=Prompt.objects.all()))
    assert {prompts[prompt.pk] for prompt in rows} == names


def test_a_wide_search_finds_the_same(prompts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST", 0)
    asked = search.found("basil", among=Prompt.objects.all(), fields=("author",))
    assert [prompts[prompt.pk] for prompt in Prompt.objects.filter(asked)] == ["basil"]
    number = next(iter(prompts))
    asked = search.found(str(number), among=Prompt.objects.all(), path="prompt")
    assert not LabelingTask.objects.filter(asked).exists()


def test_an_edited_text_is_found_anew(make_prompt: Call) -> None:
    prompt = make_prompt("An old question")
    messages = [{"role": "user", "content": "A new one"}]
    Prompt.objects.filter(pk=prompt.pk).update(messages=messages)
    rows = Prompt.objects.filter(search.found("question", among=Prompt.objects.all()))
    assert not rows.exists()


def test_the_longest_texts_can_be_kept(make_prompt: Call) -> None:
    for text in ("x" * 3_000_000, " ".join(map(str, range(400_000))), "語" * 500_000):
        assert make_prompt(text)


@pytest.fixture
def ranked(
    ada: User, ben: User, make_task: Call, claim: Call, api: Call, ranking_of: Call
) -> LabelingTask:
    """A task that two ranked in opposite ways, one of them with a flag."""
    task = make_task(overlap=2)
    for labeler in (ada, ben):
        held = claim(labeler)
        body = ranking_of(held)
        if labeler == ada:
            body["ranking"] = body["ranking"][::-1]
            body["ratings"] = {item: {"overall": 4} for item in body["ratings"]}
        assert api(labeler, f"assignments/{held['id']}/submit/", body).status_code == 200
    return task


def listed(client: Any, table: str, **asked: str) -> set[int]:
    page = client.get(reverse(f"admin:labeling_{table}_changelist"), asked)
    assert page.status_code == 200
    return {row.pk for row in page.context["cl"].result_list}


def test_rankings_are_filtered(
    rosa: User, ben: User, client_of: Call, ranked: LabelingTask
) -> None:
    client = client_of(rosa)
    of_ben = {Ranking.objects.get(labeler=ben).pk}
    both = set(Ranking.objects.values_list("pk", flat=True))
    LabelingTask.objects.filter(pk=ranked.pk).update(disagreement=0.6)
    assert listed(client, "ranking", labeler="BEN") == of_ben
    assert listed(client, "ranking", flag="hallucination") == of_ben
    assert listed(client, "ranking", flag="opinion") == set()
    assert len(listed(client, "completion", flag="hallucination")) == 4
    assert listed(client, "completion", flag="opinion") == set()
    assert listed(client, "ranking", disagreement="50") == both
    assert listed(client, "ranking", q=ranked.prompt.last_message) == both
    assert listed(client, "ranking", q=str(min(both))) >= {min(both)}
    assert listed(client, "ranking", version=str(ranked.policy_id)) == both
    assert listed(client, "ranking", version="0") == set()
    assert listed(client, "ranking", group="held_out") == set()
    assert listed(client, "ranking", counts="no") == set()
    assert listed(client, "ranking", created_at_from="2001-01-01") == both
    assert listed(client, "labelingtask", disagreement="50") == {ranked.pk}
    LabelingTask.objects.filter(pk=ranked.pk).update(disagreement=0.1)
    assert listed(client, "labelingtask", disagreement="50") == set()


def test_completions_and_demonstrations_are_found(
    rosa: User, ada: User, client_of: Call, make_task: Call, claim: Call, api: Call
) -> None:
    client = client_of(rosa)
    make_task()
    make_task("demonstration")
    held = claim(ada, "demonstration")
    api(ada, f"assignments/{held['id']}/submit/", {"text": "Gladly, by ferry."})
    every = {row.pk for row in Completion.objects.all()}
    assert listed(client, "completion", q="answer") == every
    assert len(listed(client, "completion", q='"answer 2"')) == 1
    wanted = {Demonstration.objects.get().pk}
    assert listed(client, "demonstration", q="ferry") == wanted
    number = Demonstration.objects.get().prompt_id
    assert listed(client, "demonstration", q=str(number)) == wanted
    assert listed(client, "demonstration", q="train") == set()


def test_prompts_are_found_by_author(rosa: User, client_of: Call, make_prompt: Call) -> None:
    client = client_of(rosa)
    prompt = make_prompt("Mine", author="noor", organisation="acme")
    other = make_prompt("Another", author="noor", organisation="globex")
    assert listed(client, "prompt", q="noor") == {prompt.pk, other.pk}
    assert listed(client, "prompt", q="acme") == {prompt.pk}
    assert listed(client, "prompt", author="noor", organisation="acme") == {prompt.pk}
    assert listed(client, "prompt", author="noo") == set()
    assert listed(client, "prompt", q=str(prompt.pk)) == {prompt.pk}
    assert listed(client, "prompt", q="9" * 40) == set()
    assert listed(client, "prompt", q="mine", state="quarantined") == set()
