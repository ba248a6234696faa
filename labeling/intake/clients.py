"""What a program may send in a day, and requests that are sent twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from core.problems import Problem
from labeling.models import ClientDay, ClientProfile, ClientRequest

MAX_KEY = 200
_KEPT = timedelta(days=1)


@transaction.atomic
def once(*, by: User, key: str, body: Any, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the request is answered; one with a key that came before is answered as it was then.

    Of two that come at once the second waits for the first: the key is unique. A request that is
    refused leaves its key free.

    Raises Problem 422 where the same key comes with another body.
    """
    if not key:
        return answer()
    if len(key) > MAX_KEY:
        raise Problem(400, f"An Idempotency-Key has at most {MAX_KEY} characters.")
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    ClientRequest.objects.filter(user=by, key=key, at__lt=timezone.now() - _KEPT).delete()
    fresh = ClientRequest(user=by, key=key, body=digest)
    ClientRequest.objects.bulk_create([fresh], ignore_conflicts=True)
    kept = ClientRequest.objects.select_for_update().get(user=by, key=key)
    if kept.body != digest:
        sentence = "This Idempotency-Key was used with another body; take a new key."
        raise Problem(422, sentence, errors={"Idempotency-Key": [sentence]})
    if kept.answer is None:
        kept.answer = answer()
        kept.save(update_fields=["answer"])
    return kept.answer


@transaction.atomic
def spend(*, by: User, prompts: int) -> None:
    """Count prompts towards the account's day. Raises Problem 429 where they are too many."""
    limit, today = limit_of(by), timezone.now().astimezone(UTC).date()
    ClientDay.objects.bulk_create([ClientDay(user=by, day=today)], ignore_conflicts=True)
    day = ClientDay.objects.filter(user=by, day=today)
    room = day.filter(prompts__lte=limit - prompts)
    if room.update(prompts=F("prompts") + prompts):
        return
    sent = day.values_list("prompts", flat=True).get()
    midnight = datetime.combine(today + timedelta(days=1), time.min, UTC)
    wait = int((midnight - timezone.now()).total_seconds()) + 1
    raise Problem(
        429,
        f"This account may send {limit:,} prompts a day and has sent {sent:,} today; {prompts:,} "
        "more are too many. The count begins anew at midnight UTC.",
        extra={"limit": limit, "sent": sent, "retry_after": wait},
        wait=wait,
    )


def limit_of(user: User) -> int:
    """How many prompts the account may send in a day."""
    own = ClientProfile.objects.filter(user=user).values_list("prompts_per_day", flat=True).first()
    return settings.LABELING["prompts_per_day"] if own is None else own


def forget_old() -> int:
    """Forget the keys of requests that are older than a day; returns how many."""
    return ClientRequest.objects.filter(at__lt=timezone.now() - _KEPT).delete()[0]
