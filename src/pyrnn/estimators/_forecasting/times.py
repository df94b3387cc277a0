"""Times: the steps of a calendar, counted in whole numbers.

Times are numpy's datetime64[us], on the clock of their place for days and all that is longer, on
that of the world for what is shorter: daily data are daily where clocks change, hourly data hourly.
"""

import re
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import numpy as np

from ..._base.checks import Array, describe
from .._file import learnt

DAY, HOUR, MINUTE, SECOND = 86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000
EPOCH = np.datetime64("1970-01-01")
MONTH_DAYS = ("end", "start", "first", "last")  # the last two: business days
SHORTEST_MONTH = 28  # days


@learnt
@dataclass(frozen=True)
class Frequency:
    """Steps of `count` units: "us" (microseconds), "D" (days), "B" (Mondays to Fridays), "M"
    (months) or "1" (whole numbers that stand for times).

    The units that are steps have the number `phase` modulo count. A time is `offset` microseconds
    after its unit begins; a month's may be its "start", its "end", or its "first" or "last"
    business day.
    """

    unit: str
    count: int = 1
    phase: int = 0
    day: str = "start"
    offset: int = 0

    def __str__(self) -> str:
        if self.unit == "us":
            return next(
                f"{self.count // size} {name}"
                for size, name in ((HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (1, "us"))
                if self.count % size == 0
            )
        names = {"D": "day", "B": "business day", "M": "month", "1": "number"}
        return f"{self.count} {names[self.unit]}{'s' * (self.count > 1)}"

    def seasons(self) -> tuple[int, ...]:
        """How many steps a minute, hour, day, week or year has, the shortest first, where that is a
        whole number above 1. Days have the week alone; weeks a year of 52."""
        days = (7,) if self.count < 7 else (364,)
        cycles = {"us": (MINUTE, HOUR, DAY, 7 * DAY), "D": days, "B": (5,), "M": (12,)}
        return tuple(
            length // self.count
            for length in cycles.get(self.unit, ())
            if length > self.count and length % self.count == 0
        )

    def count_of(self, times: Array) -> tuple[Array, Array]:
        """The numbers (N,) of times, and which of these are steps at all."""
        units = self._units(times)
        numbers, rest = np.divmod(units - self.phase, self.count)
        return numbers, (rest == 0) & (self._begin(units) == times)

    def times_of(self, numbers: Array) -> Array:
        """The times with these numbers."""
        return self._begin(numbers * self.count + self.phase)

    def _units(self, times: Array) -> Array:
        """The numbers of the units in which times are."""
        if self.unit == "1":
            return times.astype(np.int64)
        if self.unit == "us":
            return times.astype("M8[us]").astype(np.int64)
        days = (times - np.timedelta64(self.offset, "us")).astype("M8[D]")
        if self.unit == "B":
            return np.asarray(np.busday_count(EPOCH, days), np.int64)
        return days.astype(f"M8[{self.unit}]").astype(np.int64)

    def _begin(self, units: Array) -> Array:
        """The times in the units of these numbers."""
        if self.unit == "1":
            return units
        if self.unit == "us":
            return units.astype("M8[us]")
        if self.unit == "B":
            days = np.busday_offset(EPOCH, units, roll="forward")
        elif self.unit == "D":
            days = units.astype("M8[D]")
        else:
            days = self._days_of_months(units)
        moments: Array = days.astype("M8[us]") + np.timedelta64(self.offset, "us")
        return moments

    def _days_of_months(self, months: Array) -> Array:
        """The day of each month."""
        first = months.astype("M8[M]").astype("M8[D]")
        last = (months + 1).astype("M8[M]").astype("M8[D]") - 1
        if self.day in ("start", "end"):
            return first if self.day == "start" else last
        if self.day == "first":
            return np.asarray(np.busday_offset(first, 0, roll="forward"))
        return np.asarray(np.busday_offset(last, 0, roll="backward"))


@dataclass(frozen=True)
class Asked:
    """A frequency that a user asks for; what it leaves open, the data say."""

    unit: str
    count: int
    day: str | None = None
    phase: int | None = None

    def completed(self, times: Array) -> Frequency:
        """With the phase and the time of day of the first time, and the day of the month that fits
        most of them."""
        if self.unit in ("us", "1"):
            numbers = Frequency(self.unit)._units(times[:1])
            return Frequency(self.unit, self.count, self._phase(int(numbers[0])))
        if self.unit != "M":
            offset = int((times[0] - times[0].astype("M8[D]")).astype(np.int64))
            return self._at(Frequency(self.unit, offset=offset), times)
        days = MONTH_DAYS if self.day is None else (self.day,)
        every = [_of_month(day, times[0]) for day in days]
        usual = [one for one in every if one.day == "start" or 0 <= one.offset < DAY]
        options = [self._at(one, times) for one in usual or every]
        return max(options, key=lambda option: int(option.count_of(times)[1].sum()))

    def _at(self, frequency: Frequency, times: Array) -> Frequency:
        """The same with this count, and the phase asked for or that of the first time."""
        first = int(frequency._units(times[:1])[0])
        return replace(frequency, count=self.count, phase=self._phase(first))

    def _phase(self, first: int) -> int:
        return first % self.count if self.phase is None else self.phase


ALIASES = {
    **{name: ("us", size) for name, size in (("us", 1), ("ms", 1000), ("s", SECOND))},
    **{"min": ("us", MINUTE), "h": ("us", HOUR), "D": ("D", 1), "d": ("D", 1), "B": ("B", 1)},
    **{"W": ("D", 7), "w": ("D", 7), "mo": ("M", 1), "q": ("M", 3), "y": ("M", 12)},
}
MONTHS = {"M": 1, "Q": 3, "Y": 12, "A": 12}
DAYS_OF_MONTHS = {"": None, "S": "start", "E": "end", "BS": "first", "BE": "last"}
WEEKDAYS = ("THU", "FRI", "SAT", "SUN", "MON", "TUE", "WED")  # 1970 began on a Thursday
NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def parse_frequency(owner: str, freq: Any) -> Asked:
    """A frequency such as "D", "15min", "MS", "QE-MAR", "W-WED" or "B", as pandas and polars write
    them, an offset of pandas, or a whole number. TypeError or ValueError for any other."""
    if isinstance(freq, int | np.integer) and not isinstance(freq, bool) and freq > 0:
        return Asked("1", int(freq))
    text = getattr(freq, "freqstr", freq)
    if not isinstance(text, str):
        raise TypeError(f"{owner}: freq is {describe(freq)}, expected a text such as 'D' or 'MS'")
    match = re.fullmatch(r"(\d*)([A-Za-z]+)(?:-([A-Z]{3}))?", text)
    asked = _asked(int(match[1] or 1), match[2], match[3]) if match else None
    if asked is None or asked.count < 1:
        raise ValueError(
            f"{owner}: freq is {describe(freq)}, expected a number and a unit: "
            "'D', 'B', 'W', 'W-MON', 'h', '15min', 's', 'MS', 'ME', 'QS', 'QE-DEC', 'YS', ..."
        )
    return asked


def _asked(count: int, alias: str, anchor: str | None) -> Asked | None:
    """What a count, a unit and its anchor ask for; None if there is no such unit."""
    if alias in ALIASES:
        unit, size = ALIASES[alias]
        if anchor is not None and (size != 7 or anchor not in WEEKDAYS):
            return None
        phase = None if anchor is None or count > 1 else WEEKDAYS.index(anchor)
        return Asked(unit, count * size, phase=phase)
    match = re.fullmatch(r"(B?)([MQYA])([SE]?)", alias)
    if match is None or match[1] + match[3] not in DAYS_OF_MONTHS:
        return None
    size, day = MONTHS[match[2]], DAYS_OF_MONTHS[match[1] + match[3]]
    if anchor is None:
        return Asked("M", count * size, day)
    if size == 1 or anchor not in NAMES:
        return None
    phase = NAMES.index(anchor) % size if count == 1 and day is not None else None
    return Asked("M", count * size, day, phase)


def infer_frequency(wall: Array, utc: Array) -> Frequency | None:
    """The longest steps that make all of these times, which rise; None of fewer than two."""
    if len(wall) < 2:
        return None
    if wall.dtype.kind == "i":
        return Asked("1", gcd(*np.diff(wall).tolist())).completed(wall)
    return _monthly(wall) or _daily(wall) or _equal(utc)


def _monthly(wall: Array) -> Frequency | None:
    """Months, one of each or every so many."""
    steps = np.diff(wall.astype("M8[M]").astype(np.int64))
    if (steps < 1).any() or np.diff(wall.astype("M8[D]")).astype(int).min() < SHORTEST_MONTH:
        return None
    asked = Asked("M", gcd(*steps.tolist()))
    frequency = asked.completed(wall)
    return frequency if frequency.count_of(wall)[1].all() else None


def _of_month(day: str, time: Any) -> Frequency:
    """Each month, at the time of one of its days; its start may be any number of days ago."""
    begin = Frequency("M", day=day)
    month = time.astype("M8[M]").astype(np.int64).reshape(1)
    offset = int((time - begin.times_of(month)[0]).astype(np.int64))
    return replace(begin, offset=offset)


def _daily(wall: Array) -> Frequency | None:
    """Days, business days, or every so many days, at one time of day."""
    steps = np.diff(wall).astype(np.int64)
    if (steps % DAY).any():
        return None
    count = gcd(*steps.tolist()) // DAY
    weekday = np.is_busday(wall.astype("M8[D]"))
    working = count == 1 and weekday.all() and (steps != DAY).any()
    return Asked("B" if working else "D", count).completed(wall)


def _equal(utc: Array) -> Frequency:
    """Equal steps."""
    return Asked("us", gcd(*np.diff(utc).astype(np.int64).tolist())).completed(utc)
