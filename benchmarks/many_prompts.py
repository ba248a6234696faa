"""Fills an installation with prompts that wait to be ranked, and with annotators, fast.

The rows are made inside PostgreSQL, without the checks of foreign keys, which hold by
construction: a hundred thousand prompts with four completions each take some seconds.
"""

from __future__ import annotations

import json
from datetime import timedelta
from time import time_ns
from typing import Any

WORDS = "the moon pulls on the water and the coast sees two high tides a day because " * 6
LONG = " ".join((WORDS * 12).split()[:1_000])
REACHED = 100_000  # the first so many tasks have completions; no run gets further
THREEFOLD = 10  # every tenth task wants three labels instead of one

_NUMBERS = """
CREATE TEMP TABLE fresh AS
  SELECT nextval('labeling_prompt_id_seq') AS prompt,
         nextval('labeling_labelingtask_id_seq') AS task
  FROM generate_series(1, %s)
"""
# What is copied: for which rows, and what differs.
_TABLES = (
    (
        "fresh",
        "'id', prompt, 'fingerprint', 'bench-' || prompt, 'shuffle', random()",
    ),
    ("fresh", "'id', task, 'prompt_id', prompt"),
    (
        f"(SELECT task FROM fresh ORDER BY task LIMIT {REACHED}) AS fresh, "
        "generate_series(0, 3) AS place",
        "'id', nextval('labeling_completion_id_seq'), 'task_id', task, 'position', place",
    ),
    (
        f"fresh JOIN generate_series(1, 3) AS number ON number = 1 OR task % {THREEFOLD} = 0",
        "'id', nextval('labeling_slot_id_seq'), 'task_id', task, 'number', number, 'state', 'free'",
    ),
)


def fill(prompts: int) -> int:
    """Make it so that at least so many ranking tasks are free; returns how many were added."""
    from copies import copy, without_indexes
    from django.db import connection

    from labeling.models import Completion, LabelingTask, Prompt, Slot

    taken = Slot.objects.exclude(state="free").values("task")
    free = LabelingTask.objects.filter(kind="ranking").exclude(pk__in=taken).count()
    missing = max(0, prompts - free)
    if missing:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(_NUMBERS, [missing])
            with without_indexes(Prompt, LabelingTask, Completion, Slot):
                for (rows, columns), template in zip(_TABLES, _templates(), strict=True):
                    copy(template, rows, columns)
            cursor.execute("SET session_replication_role = DEFAULT")
            cursor.execute("DROP TABLE fresh")
            cursor.execute("VACUUM ANALYZE")
    return missing


def _templates() -> list[Any]:
    """A prompt, its task, a completion and a closed slot, as the product makes them."""
    from labeling.models import Completion, LabelingTask, Prompt, Slot
    from models_service.models import Promotion
    from models_service.selectors import promoted

    policy = promoted(Promotion.Role.POLICY)
    assert policy is not None, "a first start promotes the base model"
    prompt, _ = Prompt.objects.get_or_create(
        fingerprint="bench",
        defaults={
            "messages": [{"role": "user", "content": "Why are there tides?"}],
            "source": "import",
            "split": "train",
        },
    )
    tasks = LabelingTask.objects.filter(prompt=prompt, kind="ranking").order_by("id")
    # The queue may have made others for this prompt since.
    task = tasks.first() or LabelingTask.objects.create(
        prompt=prompt, kind="ranking", state="open", policy=policy
    )
    completion, _ = Completion.objects.get_or_create(
        task=task,
        position=0,
        defaults={
            "version": policy,
            "text": WORDS,
            "sampling": {},
            "seed": 0,
            "finish_reason": "stop",
            "prompt_tokens": 8,
            "completion_tokens": 90,
        },
    )
    slot, _ = Slot.objects.get_or_create(
        task=task, number=1, defaults={"kind": "ranking", "purpose": "training", "state": "closed"}
    )
    return [prompt, task, completion, slot]


def long_task(*, labeler: str) -> None:
    """Put a fresh task of nine completions of 1,000 words into this labeler's hands."""
    from django.utils import timezone

    from accounts.models import User
    from labeling.models import Assignment, Completion, LabelingTask, Prompt, Slot

    template = LabelingTask.objects.filter(prompt__fingerprint="bench", kind="ranking").earliest(
        "id"
    )
    prompt = Prompt.objects.create(
        messages=template.asked.messages,
        source="import",
        split="train",
        fingerprint=f"long-{time_ns()}",
    )
    task = LabelingTask.objects.create(
        prompt=prompt, kind="ranking", state="open", policy=template.policy
    )
    first = template.completions.get()
    made = Completion.objects.bulk_create(
        Completion(
            task=task,
            position=place,
            version=first.version,
            text=f"{place} {LONG}",
            sampling={},
            seed=place,
            finish_reason="stop",
            prompt_tokens=8,
            completion_tokens=1_000,
        )
        for place in range(9)
    )
    user = User.objects.get(username=labeler)
    end = timezone.now() + timedelta(hours=1)
    Slot.objects.create(
        task=task,
        number=1,
        kind="ranking",
        purpose="training",
        state="held",
        labeler=user,
        lease_expires_at=end,
    )
    order = [completion.pk for completion in made]
    Assignment.objects.create(task=task, labeler=user, display_order=order, lease_expires_at=end)


def annotators(count: int) -> list[str]:
    """So many labelers, logged in; their session keys."""
    from django.test import Client

    from accounts.models import Role, User
    from labeling.models import Assignment

    # What an interrupted run left in their hands would be handed out again.
    Assignment.objects.filter(state="active").update(lease_expires_at="2000-01-01T00:00Z")
    keys = []
    for number in range(count):
        user, _ = User.objects.get_or_create(
            username=f"annotator-{number}", defaults={"role": Role.LABELER}
        )
        client = Client()
        client.force_login(user)
        keys.append(client.cookies["sessionid"].value)
    return keys


def plan_of_a_claim() -> str:
    """How PostgreSQL finds the next slot for the first annotator."""
    from accounts.models import User
    from labeling.queues.open_slots import open_slots, profile_of

    slots = open_slots(profile_of(User.objects.get(username="annotator-0")))
    first = slots.filter(kind="ranking", purpose="training").order_by("-priority", "id")[:1]
    return str(first.explain(analyze=True))


def faults() -> dict[str, int]:
    """What must never be: tasks with more labels, or in more hands, than they have slots."""
    return {
        "tasks_over_their_overlap": _tasks_beyond_their_slots("labeling_ranking"),
        # In a database of earlier runs leases have lapsed and tasks gone to others since.
        "tasks_held_by_two": _tasks_beyond_their_slots(
            "labeling_assignment WHERE state IN ('active', 'reserved', 'submitted')"
        ),
    }


def _tasks_beyond_their_slots(rows_of: str) -> int:
    from django.db import connection

    rows = f"SELECT task_id, count(*) AS n FROM {rows_of} GROUP BY task_id"
    slots = "SELECT count(*) FROM labeling_slot s WHERE s.task_id = taken.task_id"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({rows}) AS taken WHERE n > ({slots})")
        return int(cursor.fetchone()[0])


def ranking_of(completions: list[dict[str, str]]) -> bytes:
    """A whole submission, the first two tied."""
    ids = [completion["id"] for completion in completions]
    ratings = {item: {"overall": 1 + int(item) % 7, "flags": []} for item in ids}
    tiers = [ids[:2], *[[item] for item in ids[2:]]]
    return json.dumps({"ranking": tiers, "ratings": ratings, "active_seconds": 1}).encode()
