"""Stamps: the times of rows, on which clock they are, and how a user writes them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ..._base.checks import Array
from .._file import learnt
from .times import Asked, Frequency, infer_frequency, parse_frequency


@learnt
@dataclass(frozen=True)
class Style:
    """How times are written: `kind` is "datetime", "date", "period", "timedelta", "text" or
    "number"; `unit` is that of datetimes ("us") and texts ("D"), or the frequency of periods;
    `zone` the time zone or ""; `separator` stands between a text's day and hour."""

    kind: str
    unit: str = "us"
    zone: str = ""
    separator: str = "T"

    @property
    def name(self) -> str:
        """What such times are, for messages."""
        return "whole numbers" if self.kind == "number" else "dates"

    @property
    def place(self) -> str:
        """The zone, for messages."""
        return f"in the zone {self.zone}" if self.zone else "without a zone"


@dataclass(frozen=True)
class Stamps:
    """The times of rows (T,), on the clock of their place and of the world; or whole numbers."""

    wall: Array
    utc: Array
    style: Style

    def __len__(self) -> int:
        return len(self.wall)

    def of(self, frequency: Frequency) -> Array:
        """What a frequency counts on."""
        return self.utc if frequency.unit == "us" else self.wall

    def rows(self, rows: Any) -> "Stamps":
        """The times of some rows."""
        return Stamps(self.wall[rows], self.utc[rows], self.style)

    def followed_by(self, other: "Stamps") -> "Stamps":
        """These times and those of other rows."""
        wall = np.concatenate([self.wall, other.wall])
        return Stamps(wall, np.concatenate([self.utc, other.utc]), self.style)

    def show(self, i: int) -> str:
        """The time of row i, for messages: a day alone if it is midnight."""
        text = str(self.wall[i]).replace("T", " ")
        for end in (".000000", ":00", " 00:00"):
            text = text.removesuffix(end)
        return text

    def check_rising(self, name: str) -> None:
        """ValueError unless each time comes after the one before."""
        steps = np.diff(self.utc).astype(np.int64)
        if (steps < 0).any():
            i = int((steps < 0).argmax())
            raise ValueError(
                f"{name} has the time {self.show(i + 1)} after {self.show(i)}, expected times that "
                "rise: sort_index(), sort_values() or sort() sorts the rows"
            )
        if (steps == 0).any():
            i = int((steps == 0).argmax())
            raise ValueError(
                f"{name} has the time {self.show(i)} twice, expected each once, of one series: "
                "several are columns, or are told apart by id="
            )


@learnt
@dataclass(frozen=True)
class Clock:
    """When the steps of series are, and how their user writes that."""

    frequency: Frequency
    style: Style

    def count(self, name: str, stamps: Stamps) -> Array:
        """The numbers of times. ValueError for times of another zone or kind, or of no step."""
        own, came = self.style, stamps.style
        if came.name != own.name:
            raise ValueError(f"{name} has {came.name} as times, expected {own.name} as y")
        if came.zone != own.zone:
            raise ValueError(f"{name} has times {came.place}, expected times {own.place} as y")
        numbers, on = self.frequency.count_of(stamps.of(self.frequency))
        if not on.all():
            i = int((~on).argmax())
            near = f"{self.show(int(numbers[i]))} and {self.show(int(numbers[i]) + 1)}"
            raise ValueError(
                f"{name} has the time {stamps.show(i)}, expected steps of {self.frequency} as y, "
                f"such as {near}: all series have one frequency, which freq= may say"
            )
        return numbers

    def show(self, number: int) -> str:
        """The time of a step, for messages."""
        return self.stamps(np.array([number])).show(0)

    def stamps(self, numbers: Array) -> Stamps:
        """The times of steps."""
        times, zone = self.frequency.times_of(numbers), self.style.zone
        if not zone:
            return Stamps(times, times, self.style)
        if self.frequency.unit == "us":
            return Stamps(_each(times, lambda time: _wall_of(time, zone)), times, self.style)
        return Stamps(times, _each(times, lambda time: _utc_of(time, zone)), self.style)


def clock_of(name: str, stamps: Stamps, asked: Asked | None) -> Clock | None:
    """The clock of times that rise: with the frequency asked for, or else with the longest steps
    that make them all, None if one time alone does not say. ValueError for times that would leave
    most of these steps empty."""
    if asked is None and stamps.style.kind == "period":  # which says it itself
        asked = parse_frequency(name, stamps.style.unit.partition("-")[0])
    if asked is not None:
        if (asked.unit == "1") != (stamps.style.kind == "number"):
            kind = "a number" if asked.unit == "1" else "a text"
            raise ValueError(f"{name} has {stamps.style.name} as times, which freq is {kind} for")
        times = stamps.utc if asked.unit == "us" else stamps.wall
        return Clock(asked.completed(times), stamps.style)
    frequency = infer_frequency(stamps.wall, stamps.utc)
    if frequency is None:
        return None
    numbers = frequency.count_of(stamps.of(frequency))[0]
    if numbers[-1] - numbers[0] + 1 > 2 * len(numbers):
        ends = [int(np.diff(numbers).argmin()), int(np.diff(numbers).argmax())]
        pairs = [f"{stamps.show(i)} to {stamps.show(i + 1)}" for i in ends]
        raise ValueError(
            f"{name} has steps of unlike lengths, such as {' and '.join(pairs)}, expected one "
            "frequency; freq= says which, where most of its steps are missing"
        )
    return Clock(frequency, stamps.style)


def zone_name(zone: tzinfo | None) -> str:
    """The text by which a time zone is found again; "" for none."""
    offset = None if zone is None else zone.utcoffset(None)  # None where clocks change
    return str(timezone(offset)) if offset is not None else str(zone or "")


def _zone(name: str) -> tzinfo:
    """The time zone of a name; "UTC+01:00" and the like are fixed."""
    sign, digits = name[3:4], name[4:].partition(":")
    if name.startswith("UTC") and sign in ("+", "-"):
        minutes = int(digits[0]) * 60 + int(digits[2] or 0)
        return timezone(timedelta(minutes=minutes if sign == "+" else -minutes))
    return ZoneInfo(name)


def _each(times: Array, change: Any) -> Array:
    """The change of each time; of equal ones once."""
    every, places = np.unique(times, return_inverse=True)
    changed = np.array([change(time) for time in every.astype(object)], "M8[us]")
    moved: Array = changed[places.reshape(times.shape)]
    return moved


def _wall_of(time: datetime, zone: str) -> datetime:
    """What a clock shows there at a time in UTC."""
    return time.replace(tzinfo=UTC).astimezone(_zone(zone)).replace(tzinfo=None)


def _utc_of(time: datetime, zone: str) -> datetime:
    """When a clock there shows a time: the first of two, or as if an hour that is left out were
    there."""
    return time.replace(tzinfo=_zone(zone)).astimezone(UTC).replace(tzinfo=None)
