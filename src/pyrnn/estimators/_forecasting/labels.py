"""What tables say of their rows and columns: times in order and without gaps, columns by name.

Series are read by place, so what a table's labels say must agree with the places.
"""

import sys
import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..._base.checks import describe, describe_all
from .._file import learnt
from .form import Form, values_of

AS_THEY_STAND = "to_numpy() gives the rows as they stand, one step after the other"


@learnt
@dataclass(frozen=True)
class Labels:
    """The names of a table's columns and the times of its rows (a DatetimeIndex); None where there
    are no such."""

    columns: tuple[Any, ...] | None
    times: Any

    def check_columns(self, name: str, other: "Labels", whose: str) -> None:
        """ValueError unless the columns are those of another table, in the same order."""
        if self.columns is None or other.columns is None or self.columns == other.columns:
            return
        raise ValueError(
            f"{name} has the columns {describe_all(self.columns)}, expected "
            f"{describe_all(other.columns)} as {whose}: columns are read by place, "
            "table[[...]] puts them in order"
        )

    def check_rows(self, name: str, other: "Labels", whose: str) -> None:
        """ValueError unless the rows have the times of another table."""
        if self.times is None or other.times is None or self.times.equals(other.times):
            return
        raise ValueError(
            f"{name} has the times {_span(self.times)}, expected {_span(other.times)} as {whose}: "
            f"rows are read by place; {AS_THEY_STAND}"
        )

    def check_follows(self, name: str, known: "Labels") -> None:
        """ValueError unless the first row is the step after the last one known."""
        if self.times is None or known.times is None:
            return
        expected = _after(known.times)
        if expected is not None and self.times[0] != expected:
            raise ValueError(
                f"{name} begins at {self.times[0]}, expected {expected}, the step after the last "
                f"one known; {AS_THEY_STAND}"
            )

    def followed_by(self, other: "Labels") -> "Labels":
        """Of a series that continues with other rows."""
        if self.times is None or other.times is None:
            return Labels(self.columns, None)
        return Labels(self.columns, self.times.append(other.times))


Rows: TypeAlias = dict[str, Labels]  # of y, past and future of a series


def read_labels(owner: str, form: Form, **values: Any) -> list[Rows]:
    """For each series the labels of its parts, such as y, past and future; a part may be None.

    ValueError for rows that have other times than the first part's, and for a series whose columns
    are not the first series'.
    """
    parts = []
    for argument, value in values.items():
        given = (
            [None] * len(form.keys) if value is None else values_of(owner, argument, value, form)
        )
        parts.append(
            [_labels_of(f"{owner}: {form.name(argument, i)}", one) for i, one in enumerate(given)]
        )
    series = [dict(zip(values, labels, strict=True)) for labels in zip(*parts, strict=True)]
    first = next(iter(values))
    for i, labels in enumerate(series):
        for argument, own in labels.items():
            name = f"{owner}: {form.name(argument, i)}"
            own.check_rows(name, labels[first], form.name(first, i))
            own.check_columns(name, series[0][argument], form.name(argument, 0))
    return series


def _labels_of(name: str, value: Any) -> Labels:
    """The labels of an array, a Series or a table. ValueError for times that are out of order, come
    twice or leave some out, and for rows with several labels each."""
    columns = getattr(value, "columns", None)
    names = None if columns is None else tuple(columns)
    if names is not None and len(set(names)) < len(names):
        twice = next(column for column in names if names.count(column) > 1)
        raise ValueError(f"{name} has the column {describe(twice)} twice, expected each once")
    index = getattr(value, "index", None)
    if index is None or callable(index):  # a list has a method of that name
        return Labels(names, None)
    if getattr(index, "nlevels", 1) > 1:
        raise ValueError(
            f"{name} has rows with {index.nlevels} labels each, expected one series; several are "
            "a dict of series, such as {key: rows.droplevel(0) for key, rows in y.groupby(level=0)}"
        )
    times = _as_times(index)
    if times is not None:
        _check_times(name, times)
    return Labels(names, times)


def _as_times(index: Any) -> Any:
    """An index as a DatetimeIndex; None if it is no index of times."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or len(index) == 0 or index.dtype.kind in "biuf":
        return None
    if isinstance(index, pandas.DatetimeIndex):
        return index
    if isinstance(index, pandas.PeriodIndex):
        return index.to_timestamp()
    values = np.asarray(index)
    if values.dtype.kind == "m":
        return pandas.DatetimeIndex(np.datetime64(0, "s") + values)
    try:
        return pandas.DatetimeIndex(values.astype("datetime64[us]"))  # texts as in ISO 8601, dates
    except (TypeError, ValueError):
        return None


def _check_times(name: str, times: Any) -> None:
    """ValueError unless times rise by equal steps."""
    if times.hasnans:
        raise ValueError(f"{name} has a row without a time; {AS_THEY_STAND}")
    distances = np.diff(times.asi8)
    if (distances < 0).any():
        i = int((distances < 0).argmax())
        raise ValueError(
            f"{name} has the time {times[i + 1]} after {times[i]}, expected times that rise: "
            f"sort_index() sorts the rows; {AS_THEY_STAND}"
        )
    if (distances == 0).any():
        i = int((distances == 0).argmax())
        raise ValueError(
            f"{name} has the time {times[i]} twice, expected each once, of one series; "
            f"{AS_THEY_STAND}"
        )
    if len(set(distances.tolist())) > 1 and _step(times) is None:
        i = int(distances.argmax())
        raise ValueError(
            f"{name} has a gap between {times[i]} and {times[i + 1]}, expected equal steps: gaps "
            f"are not filled, asfreq() and interpolate() do that; {AS_THEY_STAND}"
        )


def _after(times: Any) -> Any:
    """The time one step after the last; None if one time alone does not say."""
    if len(times) < 2:
        return None
    step = _step(times)
    return times[-1] + (times[-1] - times[-2] if step is None else step)


def _step(times: Any) -> Any:
    """The calendar's step, such as a month; None if there is none, or of fewer than 3 times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas 3 says that it will be an offset, and no text
        frequency = times.inferred_freq
    return sys.modules["pandas"].tseries.frequencies.to_offset(frequency)


def _span(times: Any) -> str:
    """The first and the last time."""
    return f"{times[0]} ... {times[-1]}"
