"""When a schedule is due: pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def next_start(*, weekday: int | None, at: time, after: datetime) -> datetime:
    """The first moment after `after` at that time of day, on that weekday (Monday = 0) or on any.

    Days and times are those of `after`'s time zone, through changes of the clock.
    """
    day = after.date()
    while True:
        moment = datetime.combine(day, at, tzinfo=after.tzinfo)
        if moment > after and weekday in (None, moment.weekday()):
            return moment
        day += timedelta(days=1)


def in_words(*, weekday: int | None, at: time | None, after_rankings: int | None) -> str:
    """ "Every Monday at 06:00" or "After every 500 new rankings"."""
    if at is None:
        return f"After every {after_rankings} new rankings"
    return f"Every {'day' if weekday is None else WEEKDAYS[weekday]} at {at:%H:%M}"
