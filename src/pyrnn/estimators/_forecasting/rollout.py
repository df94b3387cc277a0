"""Forecasts of many windows at once, all steps together or one after the other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._base.checks import Array
from ...layers._sequential import Sequential
from .series import Series
from .windows import Cutter

TOGETHER = 1024  # windows that go through the network at a time


@dataclass(frozen=True)
class Rollout:
    """A network on windows. Of the `outputs` numbers of each step the first `locations` are in the
    units of y. `choose` makes of numbers (N, D, outputs) the y that is read next where a step is
    predicted from the one before; None: it is the first."""

    network: Sequential
    cutter: Cutter
    outputs: int
    locations: int
    choose: Callable[[Array], Array] | None = None

    def forecast(self, series: Series, origins: Array, horizon: int, hold_past: bool) -> Array:
        """(N, horizon, D, outputs): forecasts of a scaled series, y known up to each origin; with
        `choose`, where steps follow from one another, behind the outputs what was chosen.

        The known future must be there up to the horizon's end. Where a step is predicted from the
        one before, past covariates keep their last values with `hold_past`, else they must be there
        too.
        """
        chosen = self.choose is not None and horizon > self.cutter.steps
        results = np.zeros((len(origins), horizon, series.y.shape[1], self.outputs + chosen))
        lengths = np.minimum(origins, self.cutter.lookback)  # fewer where a series begins later
        for length in np.unique(lengths):
            (rows,) = np.nonzero(lengths == length)
            for start in range(0, len(rows), TOGETHER):
                some = rows[start : start + TOGETHER]
                results[some] = self._ahead(series, origins[some], horizon, hold_past)
        return results

    def _ahead(self, series: Series, origins: Array, horizon: int, hold_past: bool) -> Array:
        """The same, of windows of one length."""
        cutter, D = self.cutter, series.y.shape[1]
        windows, present = cutter.before(series, origins), cutter.present(series, origins)
        if horizon <= cutter.steps:
            return self._direct(windows, present, horizon)
        known = np.tile(origins[:, None] - 1, horizon) if hold_past else _steps(origins, horizon)
        y, past, future = cutter.read(series)
        future = np.concatenate([future, np.tile(series.static, (len(future), 1))], axis=1)
        observed = np.zeros((len(origins), y.shape[1] - D))  # what is predicted is not flagged
        exogenous = (past[known], future[_steps(origins, horizon)], observed)
        base = cutter.base(series, origins - windows.shape[1])
        return self._step_by_step(windows, present - base, base, exogenous, horizon)

    def at_once(self, pairs: list[tuple[Series, Array]], horizon: int) -> list[Array]:
        """The forecasts of each series from its origins, all steps and all windows of one length
        together."""
        results = [np.zeros((len(o), horizon, s.y.shape[1], self.outputs)) for s, o in pairs]
        pieces: dict[int, list[tuple[int, Array]]] = {}
        for i, (_, origins) in enumerate(pairs):
            lengths = np.minimum(origins, self.cutter.lookback)
            for length in np.unique(lengths).tolist():
                pieces.setdefault(length, []).append((i, np.flatnonzero(lengths == length)))
        for own in pieces.values():
            cut = [(pairs[i][0], pairs[i][1][rows]) for i, rows in own]
            windows = np.concatenate([self.cutter.before(*one) for one in cut])
            present = np.concatenate([self.cutter.present(*one) for one in cut])
            ahead = [
                self._direct(windows[k : k + TOGETHER], present[k : k + TOGETHER], horizon)
                for k in range(0, len(windows), TOGETHER)
            ]
            ends = np.cumsum([len(rows) for _, rows in own])[:-1]
            for (i, rows), part in zip(own, np.split(np.concatenate(ahead), ends), strict=True):
                results[i][rows] = part
        return results

    def _direct(self, windows: Array, present: Array, horizon: int) -> Array:
        """(N, horizon, D, outputs) of windows, where all steps are predicted at once."""
        outputs, D = last_of(self.network, windows), present.shape[1]
        ahead = outputs.reshape(len(windows), -1, self.cutter.steps, D)[:, :, :horizon]
        ahead = ahead.transpose(0, 2, 3, 1)
        return self._located(ahead, present[:, None] * self.cutter.relative)

    def _step_by_step(
        self,
        windows: Array,
        present: Array,
        base: Array,
        exogenous: tuple[Array, Array, Array],
        horizon: int,
    ) -> Array:
        """Each step predicted from the one before, through one stream of all; y is read as what is
        above `base`."""
        stream = self.network.stream(batch_size=len(present))
        outputs = stream.run(windows)[:, -1]
        past, future, flags = exogenous
        ahead = []
        for k in range(horizon):
            numbers = outputs.reshape(len(present), self.outputs, -1).transpose(0, 2, 1)
            numbers = self._located(numbers, present * self.cutter.relative)
            present = numbers[..., 0]
            numbers = self._located(numbers, base)
            if self.choose is not None:
                chosen = self.choose(numbers)
                present = chosen - base
                numbers = np.concatenate([numbers, chosen[..., None]], axis=-1)
            ahead.append(numbers)
            if k + 1 < horizon:  # the network reads y_t, past_t and what is known of t + 1
                parts = [present, flags, past[:, k], future[:, k + 1]]
                outputs = stream.step(np.concatenate(parts, axis=1).astype(np.float32))
        return np.stack(ahead, axis=1)

    def _located(self, numbers: Array, start: Array) -> Array:
        """Numbers (..., D, outputs) whose locations were differences from `start` (..., D)."""
        if self.locations == self.outputs:
            return numbers + start[..., None]
        moved = numbers[..., : self.locations] + start[..., None]
        return np.concatenate([moved, numbers[..., self.locations :]], axis=-1)


def last_of(network: Sequential, x: Array) -> Array:
    """(N, outputs): `network(x)[:, -1]`, without what the linear layers say at the steps before."""
    first: Any = network[0]
    if not hasattr(first, "rnn"):
        return _last_of_layers(network, x)
    skip: Any = first.skip
    if x.shape[1] < skip.lags:
        linear, _ = skip(x)
    else:
        state = x[:, x.shape[1] - skip.lags : -1, : skip.lagged]
        linear, _ = skip(x[:, -1:], state=state)
    last: Array = _last_of_layers(first.rnn, x) + linear[:, -1]
    return last


def _last_of_layers(layers: Sequential, x: Array) -> Array:
    """The same of recurrent layers and a linear one."""
    last: Array = layers[-1](layers[:-1](x)[:, -1:])[:, -1]
    return last


def in_chunks(pairs: Iterable[tuple[Series, Array]]) -> Iterator[list[tuple[Series, Array]]]:
    """Series and their origins, in pieces of at least `TOGETHER` origins, as far as there are."""
    chunk: list[tuple[Series, Array]] = []
    count = 0
    for pair in pairs:
        chunk.append(pair)
        count += len(pair[1])
        if count >= TOGETHER:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk


def _steps(origins: Array, horizon: int) -> Array:
    """(N, horizon): the steps from each origin on."""
    steps: Array = origins[:, None] + np.arange(horizon)
    return steps
