"""Labels: the index or a column of a table, as times; and times as such labels again."""

import sys
import warnings
from datetime import date, datetime
from typing import Any

import numpy as np

from ..._base.checks import Array
from .stamps import Clock, Stamps, Style, zone_name
from .tables import named, narwhals_of

SHORTEST_TEXT = len("2024-01")  # of an index's labels that are times: "2024" may be a name
NANOSECONDS = 1000  # in a microsecond


def read_stamps(name: str, labels: Any, *, declared: bool) -> Stamps | None:
    """The times of an index of pandas, or of a column of any library.

    None for what is no time in an index; where it was `declared` to be one, whole numbers are
    times too, and all else is a TypeError. ValueError for rows without a time.
    """
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(labels, pandas.Series):
        labels = pandas.Index(labels)
    own = pandas is not None and isinstance(labels, pandas.Index)
    stamps = _of_pandas(name, labels, pandas) if own else _of_others(labels)
    if stamps is None:
        stamps = _of_values(name, np.asarray(labels.to_numpy()), declared)
    if stamps is not None and stamps.wall.dtype.kind == "M" and np.isnat(stamps.wall).any():
        raise ValueError(f"{name} has a row without a time: row {np.isnat(stamps.wall).argmax()}")
    return stamps


def _of_pandas(name: str, index: Any, pandas: Any) -> Stamps | None:
    """The times of an index of pandas' own kinds."""
    if isinstance(index, pandas.PeriodIndex):
        return _plain(index.to_timestamp().to_numpy(), Style("period", index.freqstr))
    if isinstance(index, pandas.TimedeltaIndex):
        times = np.datetime64(0, "us") + index.to_numpy().astype("m8[us]")
        return Stamps(times, times, Style("timedelta", index.unit))
    if not isinstance(index, pandas.DatetimeIndex):
        return None
    if index.unit == "ns" and (index.asi8[~index.isna()] % NANOSECONDS).any():
        raise ValueError(f"{name} has times in nanoseconds, expected whole microseconds")
    style = Style("datetime", index.unit, zone_name(index.tz))
    wall = index.tz_localize(None).to_numpy().astype("M8[us]")
    utc = index.tz_convert(None).to_numpy().astype("M8[us]") if style.zone else wall
    return Stamps(wall, utc, style)


def _of_others(column: Any) -> Stamps | None:
    """The times of a column that narwhals reads."""
    narwhals, dtype = narwhals_of("y"), column.dtype
    if dtype == narwhals.Date:
        return _plain(column.to_numpy(), Style("date"))
    if dtype != narwhals.Datetime:
        return None
    style = Style("datetime", dtype.time_unit, dtype.time_zone or "")
    utc = column.dt.convert_time_zone("UTC") if style.zone else column
    wall, world = (part.dt.replace_time_zone(None).to_numpy() for part in (column, utc))
    return Stamps(wall.astype("M8[us]"), world.astype("M8[us]"), style)


def _plain(times: Array, style: Style) -> Stamps:
    """Times without a zone."""
    times = times.astype("M8[us]")
    return Stamps(times, times, style)


def _of_values(name: str, values: Array, declared: bool) -> Stamps | None:
    """The times of an array: whole numbers if they were declared to be times, texts and dates."""
    if values.dtype.kind in "iu":
        numbers = values.astype(np.int64)
        return Stamps(numbers, numbers, Style("number", "1")) if declared else None
    entries, stamps = values.tolist(), None
    if values.dtype.kind in "OU" and entries and all(isinstance(entry, str) for entry in entries):
        if declared or min(map(len, entries)) >= SHORTEST_TEXT:
            stamps = _of_texts(entries)
    elif entries and all(isinstance(entry, date) for entry in entries):
        stamps = _of_dates(name, entries)
    if stamps is None and declared:
        wrong = next((entry for entry in entries if not isinstance(entry, date)), None)
        raise TypeError(
            f"{name} has {named(wrong)} as a time, expected dates, texts as in ISO 8601 such as "
            "'2024-01-31', or whole numbers"
        )
    return stamps


def _of_texts(texts: list[str]) -> Stamps | None:
    """Times as in ISO 8601; None for others."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy warns of time zones
        try:
            times = np.array(texts, dtype="datetime64")
        except (ValueError, UserWarning, DeprecationWarning):
            return None
    unit = np.datetime_data(times.dtype)[0]
    return _plain(times, Style("text", unit, separator=" " if " " in texts[0] else "T"))


def _of_dates(name: str, dates: list[Any]) -> Stamps:
    """datetime.date or datetime.datetime of the standard library."""
    if any(getattr(entry, "tzinfo", None) is not None for entry in dates):
        zones = sorted({zone_name(getattr(entry, "tzinfo", None)) or "none" for entry in dates})
        raise ValueError(f"{name} has times in the zones {', '.join(zones)}, expected one zone")
    kind = "datetime" if any(isinstance(entry, datetime) for entry in dates) else "date"
    return _plain(np.array(dates, "M8[us]"), Style(kind))


def pandas_labels(clock: Clock, numbers: Array, name: Any) -> Any:
    """The times of steps as an index of pandas, written as the user's."""
    pandas: Any = sys.modules["pandas"]
    stamps, style = clock.stamps(numbers), clock.style
    if style.kind == "period":
        index = pandas.DatetimeIndex(stamps.wall).to_period(style.unit)
    elif style.kind == "timedelta":
        index = pandas.TimedeltaIndex(stamps.wall - np.datetime64(0, "us")).as_unit(style.unit)
    elif style.kind == "datetime":
        index = pandas.DatetimeIndex(stamps.utc)
        index = index.tz_localize("UTC").tz_convert(style.zone) if style.zone else index
        index = index.as_unit(style.unit)
    else:
        index = pandas.Index(_values(stamps))
    return index.rename(name)


def other_labels(clock: Clock, numbers: Array, name: str, library: str) -> Any:
    """The times of steps as a column of a library that narwhals knows."""
    narwhals = narwhals_of("results")
    stamps, style = clock.stamps(numbers), clock.style
    if style.kind not in ("datetime", "date"):
        return narwhals.new_series(name, _values(stamps).tolist(), backend=library).to_native()
    column = narwhals.new_series(name, stamps.utc, backend=library)
    if style.kind == "date":
        return column.cast(narwhals.Date).to_native()
    if style.zone:
        column = column.dt.replace_time_zone("UTC").dt.convert_time_zone(style.zone)
    return column.cast(narwhals.Datetime(style.unit, style.zone or None)).to_native()


def _values(stamps: Stamps) -> Array:
    """Times as whole numbers, dates or texts."""
    if stamps.style.kind == "number":
        return stamps.wall
    if stamps.style.kind == "date":
        return stamps.wall.astype("M8[D]").astype(object)
    texts = np.datetime_as_string(stamps.wall.astype(f"M8[{stamps.style.unit}]"))
    return np.char.replace(texts, "T", stamps.style.separator).astype(object)
