"""Periods of the calendar in UTC: the hour, day or month that a moment lies in, and when the next one begins."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["Period", "Window", "day_of", "window_of"]

Period: TypeAlias = Literal["total", "hour", "day", "month"]
"""What a limit counts over; all but `total` begin anew at the turn of the hour, day or month in UTC."""


HOUR: Final = 3600.0


class Window(NamedTuple):
    """One period: its label, and the moment (seconds since the epoch) at which it is over; None if it never is."""

    label: str
    ends: float | None


_TOTAL: Final = Window("", None)


def window_of(period: Period, now: float) -> Window:
    """Return the window of `period` that `now` lies in.

    Example:
        >>> window_of("day", 0.0), window_of("month", 0.0).label, window_of("total", 0.0)
        (Window(label='1970-01-01', ends=86400.0), '1970-01', Window(label='', ends=None))
    """
    return _TOTAL if period == "total" else _window(period, int(now // HOUR))


@functools.lru_cache(maxsize=64)
def _window(period: Period, hour: int) -> Window:
    moment = datetime.fromtimestamp(hour * HOUR, UTC)
    if period == "hour":
        return Window(moment.strftime("%Y-%m-%dT%H"), (moment + timedelta(hours=1)).timestamp())
    start = moment.replace(hour=0)
    if period == "day":
        return Window(start.strftime("%Y-%m-%d"), (start + timedelta(days=1)).timestamp())
    following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    return Window(start.strftime("%Y-%m"), following.timestamp())


def day_of(now: float) -> str:
    """Return the day in UTC, as `2026-11-28`."""
    return window_of("day", now).label
