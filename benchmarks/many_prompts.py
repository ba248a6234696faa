"""Fills an installation with prompts that wait to be ranked, and with annotators, fast.

The rows are made inside PostgreSQL, without the checks of foreign keys, which hold by
construction: a hundred thousand prompts with four completions each take some seconds.
"""

from __future__ import annotations

import json

WORDS = "the moon pulls on the water and the coast sees two high tides a day because " * 6
TIES = 10  # every tenth task wants three labels instead of one

_SEED = """
SET session_replication_role = replica;
CREATE TEMP TABLE fresh AS
  SELECT n, nextval('labeling_prompt_id_seq') AS prompt,
         nextval('labeling_labelingtask_id_seq') AS task
  FROM generate_series(1, %(count)s) AS n;
INSERT INTO labeling_prompt (id, messages, kind, instruction, examples, use_case, topic, language,
    author, organisation, source, split, state, fingerprint, prefix_fingerprint, priority,
    created_at)
  SELECT prompt,
    jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Question ' || prompt || '?')),
    'plain', '', '[]', 'open_qa', '', 'en', 'author-' || prompt %% 997, 'group-' || prompt %% 97,
    'import', 'train', 'active', 'bench-' || prompt, '', 0, now() FROM fresh;
INSERT INTO labeling_labelingtask (id, kind, purpose, prompt_id, brief, state, priority,
    completions_wanted, mixture, policy_id, seed, failure, created_at)
  SELECT task, 'ranking', 'training', prompt, '{}', 'open', 0, 4, '{}', %(version)s, 0, '', now()
  FROM fresh;
INSERT INTO labeling_completion (task_id, position, version_id, text, sampling, seed,
    finish_reason, prompt_tokens, completion_tokens, latency_ms, created_at)
  SELECT task, place, %(version)s, 'Answer ' || place || ': ' || %(words)s, '{}', place, 'stop', 8,
    90, 5, now() - interval '1 day' FROM fresh, generate_series(0, 3) AS place;
INSERT INTO labeling_slot (task_id, number, state, kind, purpose, priority, topic, split)
  SELECT task, number, 'free', 'ranking', 'training', 0, '', 'train'
  FROM fresh, generate_series(1, 3) AS number WHERE number = 1 OR task %% %(ties)s = 0;
DROP TABLE fresh;
SET session_replication_role = DEFAULT;
"""


def fill(prompts: int) -> int:
    """Make it so that at least so many ranking tasks are free; returns how many were added."""
    from django.db import connection

    from labeling.models import LabelingTask, Slot
    from models_service.models import Promotion
    from models_service.selectors import promoted

    untouched = LabelingTask.objects.filter(kind="ranking").exclude(
        pk__in=Slot.objects.exclude(state="free").values("task")
    )
    missing = max(0, prompts - untouched.count())
    policy = promoted(Promotion.Role.POLICY)
    assert policy is not None, "a first start promotes the base model"
    if missing:
        values = {"count": missing, "version": policy.pk, "words": WORDS, "ties": TIES}
        with connection.cursor() as cursor:
            cursor.execute(_SEED, values)
            cursor.execute("VACUUM ANALYZE")
    return missing


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


def faults() -> dict[str, int]:
    """What must never be: tasks with more labels, or in more hands, than they have slots."""
    return {
        "tasks_over_their_overlap": _tasks_beyond_their_slots("labeling_ranking"),
        "tasks_held_by_two": _tasks_beyond_their_slots("labeling_assignment"),
    }


def _tasks_beyond_their_slots(table: str) -> int:
    from django.db import connection

    rows = f"SELECT task_id, count(*) AS n FROM {table} GROUP BY task_id"
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
