"""Windows: what a forecasting network reads and predicts, cut out of series.

At step t the network reads y_t, past_t and the known future_{t+1} ... future_{t+steps}, and
predicts y_{t+1} ... y_{t+steps}, at every step of a window (Wen et al. 2017, forking sequences).
What is missing is NaN in a series; the network reads the last value before it, and a flag. A series
shorter than a window gives one that it begins and zeros end: no step of a window reads those after
it, and what is predicted there has no weight.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..._base.checks import Array
from .._file import learnt
from .._scaling import as_float32
from .linked import PARTS
from .series import Series

Windows: TypeAlias = tuple[Array, Array, Array | None]  # x, target, weight
MANY = 40_960  # steps of the windows of an epoch, beyond which they overlap less


@learnt
@dataclass(frozen=True)
class Cutter:
    """Cuts windows of `lookback` steps. At each of them the whole horizon is predicted if `direct`,
    else one step. With `relative`, y is read as the difference from the first value of the window,
    and predicted as that from the present one: a level never seen looks like all others.
    `flagged` has the columns of y, past and future that may be missing, which the network is
    told. With `counts`, what is predicted is a logarithm in the scaled units of y, and targets are
    counts, with what takes it to them (`Linked`)."""

    lookback: int
    horizon: int
    direct: bool
    relative: bool
    flagged: tuple[tuple[int, ...], ...] = ((), (), ())
    counts: bool = False
    burn: int = 0  # the first steps of a window in training, which have no weight

    @property
    def steps(self) -> int:
        """How many steps are predicted at once."""
        return self.horizon if self.direct else 1

    @property
    def least(self) -> int:
        """The fewest steps of a series to train on: one that is read, with `relative` one more, as
        there is no change at the first, and one predicted from it."""
        return 2 + self.relative

    def inputs(self, series: Series) -> Array:
        """(T', F) for each step whose known future is there: all T without such covariates. NaN
        where nothing has been observed yet."""
        T = self._readable(series)
        y, past, future = self.read(series)
        ahead, static = _following(future, self.steps, T), np.tile(series.static, (T, 1))
        joined = np.concatenate([y[:T], past[:T], ahead, static], axis=1)
        return as_float32("Forecaster", "y or a covariate", joined)

    def _readable(self, series: Series) -> int:
        """How many steps have their known future."""
        known = series.future.shape[1]
        return min(len(series), len(series.future) - self.steps) if known else len(series)

    def read(self, series: Series) -> list[Array]:
        """y, past and future as the network reads them: with the last value for a missing one, or a
        user's, and behind the columns the flags, 1 where missing. NaN where y has not been observed
        yet."""
        y, past, future = (
            np.concatenate([_held(shown), np.isnan(part[:, list(columns)])], axis=1)
            for shown, part, columns in zip(
                series.shown(), series.parts(), self.flagged, strict=True
            )
        )
        return [y, np.nan_to_num(past, nan=0.0), np.nan_to_num(future, nan=0.0)]

    def targets(self, series: Series, T: int) -> Array:
        """(T, steps*D): the steps that follow each of the first T. NaN where they are missing or
        unknown, and with `relative` where no value has been observed before."""
        if self.counts:
            return as_float32("Forecaster", "y", self._counts(series, T))
        ahead = _following(series.y, self.steps, T)
        if self.relative:
            ahead = ahead - np.tile(_held(series.shown()[0])[:T], self.steps)
        return as_float32("Forecaster", "y", ahead)

    def training(
        self, many: list[Series], *, once: bool = False, hidden: Sequence[slice] = ()
    ) -> Windows:
        """Overlapping windows of all series: x (N, L, F), target (N, L, steps*D) and its weights,
        0 where it is missing, or None where all of it is there.

        L is the lookback, or with `burn` as much more as makes as many steps count, the first not;
        with `once` those neither that the window before has. `hidden` has for each series steps
        that are read but not learnt, and neither is what is predicted together with one of them."""
        longest = max(map(len, many))
        L = max(self.lookback, min(self.lookback + self.burn, longest - self.steps))
        L = min(L, longest)  # all shorter: nothing to read behind the longest
        new = max(L - self.burn, 1)
        total = sum(max(len(series) - self.steps - L + 1, 1) for series in many)
        stride = int(np.clip(total * L // MANY, 1, new))
        stride = new if once else stride
        spans = hidden or [slice(0, 0)] * len(many)
        pairs = zip(many, spans, strict=True)
        pieces = (self._cut(series, L, stride, once, span) for series, span in pairs)
        room = sum(max(len(series) - L, 0) // stride + 2 for series in many)
        x, target, counted, missing = _joined(pieces, room)
        if missing.any():
            weight = counted[..., None] & ~missing
            return x, np.nan_to_num(target, copy=False, nan=0.0), weight.astype(np.float32)
        return x, target, None if counted.all() else counted.astype(np.float32)

    def _cut(
        self, series: Series, L: int, stride: int, once: bool, hidden: slice
    ) -> tuple[Array, ...]:
        """The windows x and target of a series, (N, L) which of their steps count, and where a part
        of the target is missing."""
        T = len(series) - self.steps
        burn = self.burn if self.burn < T else int(self.relative)
        if T < L:  # a short one teaches also where not all steps ahead are known
            T = min(self._readable(series), len(series) - 1)
        target = self.targets(series, T)
        if hidden.start < hidden.stop:
            step = np.arange(len(target))[:, None]
            shown = (step + self.steps < hidden.start) | (step + 1 >= hidden.stop)
            target = np.where(shown, target, np.float32(np.nan))
        starts = np.arange(max(len(target) - L, 0), -1, -stride)[::-1]
        if once and starts[0]:
            starts = np.append(0, starts)
        first = np.full(len(starts), burn)
        if once:
            first[1:] = starts[:-1] + L - starts[1:]
        counted, cut = np.arange(L) >= first[:, None], _windows(target, L, starts)
        missing = self._missing(cut)
        taught = (counted & ~missing.all(axis=2)).any(axis=1)  # by windows that have a target
        x = self._read(series, self.inputs(series)[:T], L, starts[taught])
        return x, cut[taught], counted[taught], missing[taught]

    def _counts(self, series: Series, T: int) -> Array:
        """(T, PARTS*steps*D): the counts that follow each step, and for each the logarithm from
        which, and the unit in which, its mean's is predicted."""
        unit = series.unit
        assert unit is not None
        counts = np.rint(np.expm1(unit.undo(series.y)))
        start = _held(series.shown()[0])[:T] if self.relative else np.zeros_like(series.y[:T])
        rows = [unit.undo(start), np.broadcast_to(unit.scale, start.shape)]
        every = [_following(counts, self.steps, T), *(np.tile(row, self.steps) for row in rows)]
        return np.concatenate(every, axis=1)

    def _missing(self, target: Array) -> Array:
        """(N, L, steps*D): where a part of a target is not known."""
        parts = PARTS if self.counts else 1
        shape = (*target.shape[:2], parts, target.shape[2] // parts)
        missing = np.isnan(target).reshape(shape).any(axis=2)
        return np.asarray(missing)

    def before(self, series: Series, origins: Array) -> Array:
        """The windows (N, L, F) whose last step is the one before each origin; of fewer steps,
        alike for all, where the series begins later."""
        length = min(self.lookback, int(origins[0]))
        return self._read(series, self.inputs(series), length, origins - length)

    def present(self, series: Series, origins: Array) -> Array:
        """(N, D): the last values of y before each origin; NaN where none was observed."""
        values: Array = _held(series.shown()[0])[origins - 1]
        return values

    def base(self, series: Series, starts: Array) -> Array:
        """(N, D): what is taken from y in windows from each start: their first values, where there
        is none yet, the next that comes; with `relative` alone, else 0."""
        values: Array = _held(_held(series.shown()[0])[::-1])[::-1][starts] * self.relative
        return values

    def _read(self, series: Series, inputs: Array, length: int, starts: Array) -> Array:
        """The windows (N, length, F) from each start, as the network reads them."""
        x, D = _windows(inputs, length, starts), series.y.shape[1]
        if self.relative:
            x[..., :D] -= self.base(series, starts)[:, None].astype(np.float32)
        return np.nan_to_num(x, copy=False, nan=0.0)


def _joined(pieces: Iterable[tuple[Array, ...]], most: int) -> list[Array]:
    """One array of each part of the pieces, one after the other, with room for so many rows.

    All pieces are never there beside what is made of them, and room that is not written takes no
    memory."""
    joined: list[Array] = []
    count = 0
    for parts in pieces:
        joined = joined or [np.empty((most, *part.shape[1:]), part.dtype) for part in parts]
        for room, part in zip(joined, parts, strict=True):
            room[count : count + len(part)] = part
        count += len(parts[0])
    return [room[:count] for room in joined]


def _held(rows: Array) -> Array:
    """Rows (T, F) with the last value in a missing one's place; NaN before the first."""
    missing = np.isnan(rows)
    if not missing.any():
        return rows
    steps = np.arange(len(rows))[:, None]
    last = np.maximum.accumulate(np.where(missing, 0, steps), axis=0)
    held: Array = np.take_along_axis(rows, last, axis=0)
    return held


def _windows(rows: Array, length: int, starts: Array) -> Array:
    """(N, length, F): consecutive rows from each start; NaN after the last where they are few."""
    few = length - len(rows)
    if few > 0:
        rows = np.concatenate([rows, np.full((few, rows.shape[1]), np.nan, rows.dtype)])
    cut: Array = sliding_window_view(rows, length, axis=0)[starts].transpose(0, 2, 1)
    return np.ascontiguousarray(cut)


def _following(rows: Array, steps: int, T: int) -> Array:
    """(T, steps*F): the rows t+1 ... t+steps after each row t < T; NaN after the last."""
    F = rows.shape[1]
    if T <= 0 or F == 0:
        return np.zeros((max(T, 0), steps * F))
    if (few := T + steps - len(rows)) > 0:
        rows = np.concatenate([rows, np.full((few, F), np.nan)])
    ahead = sliding_window_view(rows[1 : T + steps], steps, axis=0)
    return np.ascontiguousarray(ahead.transpose(0, 2, 1)).reshape(T, steps * F)
