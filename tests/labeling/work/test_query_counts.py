"""How many statements a claim and a submit send: exact, however much there is and however long.

They are what the speed of the labeling pages rests on; a further one is noticed here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from labeling.models import LabelingTask

# The session's user and the lock on their row, what they hold, the next slot for evaluation and
# for training, the slot taken, guideline, form, completions, the new assignment; begin and commit
# are not counted. A session lies in the cache.
CLAIM = 10
# User, lock, assignment, slot, ranking, ranked completions, the task's ranks for how far its
# labelers disagree, assignment closed.
SUBMIT = 8
# As a claim, with the task that comes before and whether one more is free.
RESERVE = 12
# With the submit: the lock again, what is held, its slot, and it begins.
PROCEED = 4


@pytest.mark.parametrize("tasks", [2, 20])
def test_a_claim_and_a_submit_send_few_statements_whatever_waits(
    api: Callable[..., Any],
    ada: User,
    make_task: Callable[..., LabelingTask],
    ranking_of: Callable[..., dict[str, Any]],
    tasks: int,
) -> None:
    for _ in range(tasks):
        make_task(k=9)
    _cycle(api, ada, ranking_of)  # the first one creates the form
    claimed, submitted = _cycle(api, ada, ranking_of)
    assert (claimed, submitted) == (CLAIM, SUBMIT)


def test_a_next_task_costs_few_statements_too(
    api: Callable[..., Any],
    ada: User,
    make_task: Callable[..., LabelingTask],
    ranking_of: Callable[..., dict[str, Any]],
) -> None:
    for _ in range(6):
        make_task(k=9)
    _cycle(api, ada, ranking_of)
    held = api(ada, "assignments/claim/", {"kinds": ["ranking"]}).json()
    with _counted() as reserve:
        following = api(ada, f"assignments/{held['id']}/next/").json()
    path = f"assignments/{held['id']}/submit/?next={following['id']}"
    with _counted() as submit:
        api(ada, path, ranking_of(held))
    assert (_sent(reserve), _sent(submit)) == (RESERVE, SUBMIT + PROCEED)


def _cycle(
    api: Callable[..., Any], ada: User, ranking_of: Callable[..., dict[str, Any]]
) -> tuple[int, int]:
    with _counted() as claim:
        assignment = api(ada, "assignments/claim/", {"kinds": ["ranking"]}).json()
    with _counted() as submit:
        answer = api(ada, f"assignments/{assignment['id']}/submit/", ranking_of(assignment))
    assert answer.status_code == 200
    return _sent(claim), _sent(submit)


def _counted() -> CaptureQueriesContext:
    return CaptureQueriesContext(connection)


def _sent(queries: CaptureQueriesContext) -> int:
    # Logging in is the test's own doing; savepoints are those of its transaction; a statement is
    # prepared once a connection.
    noise = ("SAVEPOINT", "RELEASE", "PREPARE", 'UPDATE "accounts_user"')
    sent = [query["sql"] for query in queries if "django_session" not in query["sql"]]
    return sum(not sql.startswith(noise) for sql in sent)
