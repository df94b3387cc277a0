"""Calendar: what dates say of steps, known as far ahead as is forecast.

A part of the calendar that comes again is a point on a circle, sin and cos of its share of a turn:
December is as near to January as to November.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..._base.checks import Array, check_choice, describe
from .stamps import Clock
from .times import DAY, HOUR, MINUTE

THURSDAY = 3  # days from a Monday; an ISO week belongs to the year of its Thursday
WEEKS = 365.2425 / 7  # of a year


def check_calendar(owner: str, calendar: Any) -> tuple[str, ...]:
    """The names of parts of the calendar. TypeError or ValueError for others."""
    if calendar is None:
        return ()
    if not isinstance(calendar, list | tuple):
        raise TypeError(
            f"{owner}: calendar is {describe(calendar)}, expected a tuple of names such as "
            f"{tuple(TURNS)[:2]}"
        )
    names = tuple(check_choice(owner, "calendar", name, tuple(TURNS)) for name in calendar)
    if len(set(names)) < len(names):
        raise ValueError(f"{owner}: calendar is {list(names)}, expected each name once")
    return names


def calendar_of(clock: Clock, names: tuple[str, ...], numbers: Array) -> Array:
    """(T, 2 * names): sin and cos of each part of the calendar, of steps."""
    wall = clock.stamps(numbers).wall
    angles = [2 * np.pi * TURNS[name](wall) for name in names]
    return np.stack([wave(angle) for angle in angles for wave in (np.sin, np.cos)], axis=1)


def _since(times: Array, unit: str) -> Array:
    """Microseconds since the unit began."""
    since: Array = (times - times.astype(f"M8[{unit}]")).astype(np.int64)
    return since


def _of_unit(unit: str) -> Callable[[Array], Array]:
    """Whole days since a month or year began, as a share of that month or year."""

    def turn(times: Array) -> Array:
        began = times.astype(f"M8[{unit}]")
        length = ((began + 1).astype("M8[D]") - began.astype("M8[D]")).astype(np.int64)
        share: Array = _since(times, unit) // DAY / length
        return share

    return turn


def _weekday(times: Array) -> Array:
    """0 of a Monday."""
    weekday: Array = (times.astype("M8[D]").astype(np.int64) + THURSDAY) % 7
    return weekday


def _week(times: Array) -> Array:
    """The ISO week, from 0."""
    thursday = (times.astype("M8[D]") - _weekday(times) + THURSDAY).astype("M8[us]")
    week: Array = _since(thursday, "Y") // DAY // 7
    return week


def _month(times: Array) -> Array:
    """0 of January."""
    month: Array = times.astype("M8[M]").astype(np.int64) % 12
    return month


TURNS: dict[str, Callable[[Array], Array]] = {
    "quarter": lambda times: _month(times) // 3 / 4,
    "month": lambda times: _month(times) / 12,
    "week": lambda times: _week(times) / WEEKS,
    "dayofyear": _of_unit("Y"),
    "day": _of_unit("M"),
    "weekday": lambda times: _weekday(times) / 7,
    "hour": lambda times: _since(times, "D") // HOUR / 24,
    "minute": lambda times: _since(times, "h") // MINUTE / 60,
}
