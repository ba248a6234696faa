"""Fills an installation with what the admin holds after some years, the same every time.

A million prompts (or as many as are asked for) by 50,000 authors over a year; a fifth of them
ranked, a tenth of those by two labelers; some with demonstrations, the rest waiting. Texts are made
of invented words as frequent as words are, one in twenty-five Chinese and one Arabic; everything
else is made inside PostgreSQL. Takes some minutes for a million prompts; the indexes come last.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from random import Random
from typing import Any

SENTENCES = 50_000
WORDS = 20_000
LABELERS = 40
_SYLLABLES = [first + second for first in "bdfgklmnprst" for second in "aeiou"]
_FAR = 1_000_000_000  # where templates are numbered, out of the way
_TABLES = [
    "labeling_prompt", "labeling_labelingtask", "labeling_completion", "labeling_slot",
    "labeling_assignment", "labeling_ranking", "labeling_rankedcompletion",
    "labeling_demonstration", "accounts_auditentry",
]  # fmt: skip
_TEMPORARY = """
CREATE TEMP TABLE bench_prompt_text (n int PRIMARY KEY, said text) ON COMMIT DROP;
CREATE TEMP TABLE bench_answer_text (n int PRIMARY KEY, said text) ON COMMIT DROP;
"""
# Task n asks prompt n. Of the tasks, 1 to `ranked` are ranked, the first `twice` by two people;
# then come `open` to be ranked, `written` with a demonstration, and the rest waits for one.
_TASK_KIND = "CASE WHEN n <= {asked} THEN 'ranking' ELSE 'demonstration' END"
_WHEN = "now() - ({prompts} - n) * interval '365 days' / {prompts}"
_RANKINGS = (
    "(SELECT r, CASE WHEN r > {ranked} THEN r - {ranked} ELSE r END AS n, r > {ranked} AS second "
    "FROM generate_series(1, {rankings}) r) AS ranking"
)
_BY = "(SELECT min(id) FROM accounts_user WHERE username LIKE 'bench-%%') + (n + 7 * {second}) % 40"
_RANKED = {"by": _BY.format(second="second::int"), "when": _WHEN}
_WRITTEN = {"by": _BY.format(second="0"), "when": _WHEN}


def fill(prompts: int) -> int:
    """Make so many prompts and what belongs to them, once; returns how many were added."""
    from django.db import connection, transaction

    from labeling.models import Prompt

    if Prompt.objects.filter(fingerprint=f"desk-{prompts}").exists():
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL maintenance_work_mem = '1GB'; SET LOCAL work_mem = '256MB'")
        cursor.execute("SET LOCAL jit = off; SELECT setseed(0.5)")
        _make(cursor, _sizes(prompts))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return prompts


def _make(cursor: Any, sizes: dict[str, int]) -> None:
    for table in _TABLES:
        cursor.execute(f"SELECT setval('{table}_id_seq', {_FAR})")
    cursor.execute("TRUNCATE labeling_labelingtask CASCADE")  # what the queues have asked already
    templates = _templates()
    cursor.execute(_TEMPORARY)
    _copy_texts(cursor, "bench_prompt_text", sizes["prompts"], 4)
    _copy_texts(cursor, "bench_answer_text", 4 * sizes["asked"] + sizes["written"], 6)
    indexes = _drop_indexes(cursor, _TABLES)
    _insert(templates, sizes)
    for row in templates.values():
        type(row).objects.filter(pk=row.pk)._raw_delete(using="default")
    for definition in indexes:
        cursor.execute(definition)
    for table in _TABLES:
        cursor.execute(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")


@cache
def sentences() -> list[str]:
    """The sentences that every text is made of."""
    chance = Random(6)
    words = vocabulary()
    weights = list(accumulate(1 / (place + 3) for place in range(len(words))))
    letters = {0: [chr(0x4E00 + n) for n in range(2000)], 1: [chr(0x0627 + n) for n in range(28)]}
    made = []
    for number in range(SENTENCES):
        size = chance.randint(6, 18)
        if number % 25 == 0:
            made.append("".join(chance.choices(letters[0], k=size)) + "。")
        elif number % 25 == 1:
            made.append(" ".join("".join(chance.choices(letters[1], k=5)) for _ in range(size)))
        else:
            made.append(
                " ".join(chance.choices(words, cum_weights=weights, k=size)).capitalize() + "."
            )
    return made


def vocabulary() -> list[str]:
    """Invented words, the most frequent first."""
    chance = Random(7)
    words = ("".join(chance.choices(_SYLLABLES, k=2 + n % 3)) for n in range(2 * WORDS))
    return list(dict.fromkeys(words))[:WORDS]


def _sizes(prompts: int) -> dict[str, int]:
    rankings = prompts // 5
    twice = rankings // 10
    ranked = rankings - twice
    return {
        "prompts": prompts,
        "rankings": rankings,
        "twice": twice,
        "ranked": ranked,
        "asked": ranked + prompts // 50,
        "written": prompts // 20,
    }


def _copy_texts(cursor: Any, table: str, count: int, longest: int) -> None:
    """Texts of up to twice so many sentences, each with a word of its own."""
    chance, all = Random(table), sentences()

    def lines() -> Iterator[str]:
        for n in range(1, count + 1):
            said = " ".join(chance.choices(all, k=chance.randint(1, 2 * longest)))
            yield f"{n}\t{said} unique{n}\n"

    cursor.copy_expert(f"COPY {table} FROM STDIN", _Stream(lines()))


class _Stream(io.TextIOBase):
    """Lines as a file to be read, for COPY."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines

    def read(self, size: int | None = -1) -> str:
        return "".join(line for _, line in zip(range(500), self.lines, strict=False))


def _drop_indexes(cursor: Any, tables: list[str]) -> list[str]:
    """Drop the indexes that are no constraints; what makes them again."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) AND NOT EXISTS "
        "(SELECT FROM pg_constraint WHERE conname = indexname)",
        [tables],
    )
    rows = cursor.fetchall()
    for name, _ in rows:
        cursor.execute(f'DROP INDEX "{name}"')
    return [definition for _, definition in rows]


def _insert(templates: dict[Any, Any], sizes: dict[str, int]) -> None:
    from copies import copy

    from accounts import models as accounts
    from labeling import models

    every = "generate_series(1, {prompts}) n"
    done = "generate_series({asked} + 1, {asked} + {written}) n"
    answers = "generate_series(1, {asked}) n, generate_series(0, 3) place"
    plans: list[tuple[Any, str, str]] = [
        (models.Prompt, "bench_prompt_text", _PROMPT),
        (models.LabelingTask, every, _TASK),
        (
            models.Completion,
            f"(SELECT n, place FROM {answers}) a JOIN bench_answer_text t ON t.n = 4 * a.n - place",
            "'id', 4 * a.n - place, 'task_id', a.n, 'position', place, 'text', t.said, "
            "'version_id', (SELECT min(id) FROM models_service_modelversion "
            "WHERE name LIKE 'bench-%%') + (a.n + place) % 5, "
            "'created_at', now() - ({prompts} - a.n) * interval '365 days' / {prompts}",
        ),
        (models.Slot, _RANKINGS, "'id', r, 'task_id', n, 'number', 1 + second::int, 'state', "
         f"'filled', 'labeler_id', {_RANKED['by']}"),
        (models.Slot, f"(SELECT n FROM {every} WHERE n > {{ranked}}) waits",
         "'id', {rankings} + n, 'task_id', n, 'number', 1, "
         f"'kind', {_TASK_KIND}, 'state', CASE WHEN n > {{asked}} AND n <= {{asked}} + {{written}} "
         f"THEN 'filled' ELSE 'free' END, 'labeler_id', CASE WHEN n > {{asked}} AND n <= {{asked}} "
         f"+ {{written}} THEN {_WRITTEN['by']} END"),
        (models.Assignment, _RANKINGS, "'id', r, 'task_id', n, 'state', 'submitted', "
         f"'labeler_id', {_RANKED['by']}, 'claimed_at', {_WHEN}, 'ended_at', {_WHEN}"),
        (models.Assignment, done, "'id', {rankings} + n, 'task_id', n, 'state', 'submitted', "
         f"'labeler_id', {_WRITTEN['by']}, 'claimed_at', {_WHEN}, 'ended_at', {_WHEN}"),
        (models.Ranking, _RANKINGS, "'id', r, 'task_id', n, 'prompt_id', n, 'assignment_id', r, "
         f"'labeler_id', {_RANKED['by']}, 'created_at', {_WHEN}, 'excluded_at', "
         "CASE WHEN r % 500 = 0 THEN now() END"),
        (models.RankedCompletion, f"{_RANKINGS}, generate_series(0, 3) place",
         "'id', 4 * r - place, 'ranking_id', r, 'completion_id', 4 * n - place, "
         "'rank', 1 + (place + r) % 4, 'overall', 1 + (place + r) % 7, 'flags', CASE "
         "WHEN r % 40000 = 0 THEN '[\"denigrates\"]'::jsonb "
         "WHEN (r + place) % 12 = 0 THEN '[\"hallucination\", \"opinion\"]' ELSE '[]' END"),
        (models.Demonstration,
         f"(SELECT n FROM {done}) d JOIN bench_answer_text t ON t.n = d.n + 3 * {{asked}}",
         "'id', d.n - {asked}, 'task_id', d.n, 'prompt_id', d.n, 'text', t.said, "
         "'assignment_id', {rankings} + d.n, 'labeler_id', "
         + _WRITTEN["by"].replace("(n ", "(d.n ")
         + ", 'created_at', now() - ({prompts} - d.n) * interval '365 days' / {prompts}"),
        (accounts.AuditEntry, "generate_series(1, {prompts} / 10) n",
         "'id', 1000 + n, 'act', (ARRAY['prompts_changed', 'tasks_changed', 'label_excluded', "
         "'label_commented', 'queue_changed'])[1 + n % 5], 'target_kind', 'labeling.ranking', "
         "'target_id', n, 'detail', jsonb_build_object('reason', 'unique' || n || ' clicked "
         "through'), 'at', now() - ({prompts} / 10 - n) * interval '1 hour'"),
    ]  # fmt: skip
    for model, rows, columns in plans:
        copy(templates[model], rows.format(**sizes), columns.format(**sizes).replace("%%", "%"))


_PROMPT = (
    "'id', n, 'fingerprint', 'desk-' || n, 'messages', "
    "jsonb_build_array(jsonb_build_object('role', 'user', 'content', said)), "
    "'author', 'author-' || 1 + (n::bigint * 7919) % 50000, "
    "'organisation', 'org-' || 1 + (n::bigint * 7919) % 1000, "
    "'use_case', (ARRAY['generation', 'generation', 'generation', 'generation', 'open_qa', "
    "'brainstorming', 'chat', 'rewrite', 'summarization', 'classification', 'other', 'closed_qa', "
    "'extract'])[1 + n % 13], "
    "'kind', CASE WHEN n % 1000 = 0 THEN 'few_shot' ELSE 'plain' END, "
    "'split', (SELECT CASE WHEN place < '\\xccccccccccccd000' THEN 'train' "
    "WHEN place < '\\xe666666666666800' THEN 'validation' ELSE 'test' END FROM substring(sha256("
    "convert_to('org-' || 1 + (n::bigint * 7919) % 1000, 'UTF8')) FROM 1 FOR 8) place), "
    "'state', CASE WHEN n % 100 = 1 THEN 'quarantined' WHEN n % 100 = 2 THEN 'duplicate' "
    "WHEN n < 200 THEN 'withdrawn' ELSE 'active' END, "
    "'source', CASE WHEN n < {prompts} / 2 THEN 'import' WHEN n % 5000 = 0 THEN 'labeler' "
    "ELSE 'api' END, "
    "'topic', CASE WHEN n % 200 = 0 THEN 'medicine' ELSE '' END, "
    "'language', (ARRAY['en', 'en', 'en', 'en', 'de', 'zh', 'ar'])[1 + n % 7], "
    "'uncertainty', CASE WHEN n % 10 = 0 THEN random() END, 'shuffle', random(), "
    f"'drawn', 1, 'created_at', {_WHEN}"
)
_TASK = (
    f"'id', n, 'prompt_id', n, 'kind', {_TASK_KIND}, 'created_at', {_WHEN}, "
    # Open tasks of a policy that is not promoted would expire.
    "'policy_id', CASE WHEN n > {ranked} THEN (SELECT max(version_id) FROM "
    "models_service_promotion WHERE role = 'policy') ELSE n % 5 + (SELECT min(id) FROM "
    "models_service_modelversion WHERE name LIKE 'bench-%%') END, "
    "'disagreement', CASE WHEN n <= {twice} THEN (n % 7) / 6.0 END"
)


def _templates() -> dict[Any, Any]:
    """One row of each table, as the product makes it, and who and what they name."""
    from accounts.audit import Act, record
    from accounts.models import User
    from labeling import models
    from models_service.models import ModelVersion

    numbers = range(LABELERS)
    if not User.objects.filter(username="bench-0").exists():
        User.objects.bulk_create(User(username=f"bench-{n}", role="labeler") for n in numbers)
        people = User.objects.filter(username__startswith="bench-").order_by("pk")
        held_out = models.LabelerProfile.Group.HELD_OUT
        for user in people[:3]:
            models.LabelerProfile.objects.update_or_create(user=user, defaults={"group": held_out})
        ModelVersion.objects.bulk_create(
            ModelVersion(name=f"bench-{n}", kind="policy", checkpoint="none") for n in range(5)
        )
    labeler = User.objects.get(username="bench-0")
    version = ModelVersion.objects.get(name="bench-0")
    prompt = models.Prompt.objects.create(messages=[], source="import", split="train")
    task = models.LabelingTask.objects.create(kind="ranking", prompt=prompt, state="open")
    completion = models.Completion.objects.create(
        task=task,
        position=0,
        version=version,
        sampling={},
        seed=0,
        finish_reason="stop",
        prompt_tokens=9,
        completion_tokens=9,
    )
    slot = models.Slot.objects.create(task=task, number=1, kind="ranking", purpose="training")
    held = models.Assignment.objects.create(
        task=task,
        labeler=labeler,
        state="released",
        lease_expires_at=prompt.created_at,
        ended_at=prompt.created_at,
    )
    label = {"task": task, "prompt": prompt, "labeler": labeler, "active_seconds": 60}
    ranking = models.Ranking.objects.create(**label)
    ranked = models.RankedCompletion.objects.create(
        ranking=ranking, completion=completion, rank=1, overall=1
    )
    rows = [
        prompt, task, completion, slot, held, ranking, ranked,
        models.Demonstration.objects.create(**label, text="Gladly."),
        record(act=Act.QUEUE_CHANGED),
    ]  # fmt: skip
    return {type(row): row for row in rows}
