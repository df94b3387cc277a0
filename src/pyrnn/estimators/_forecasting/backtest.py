"""Backtest: what forecasts from many origins would have been worth."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..._base.checks import Array, check_choice
from .judges import judge_baselines
from .measures import Judged
from .rolling import Rolling

OWN = "forecaster"  # how tables call it beside the baselines
SPLITS = ("all", "series", "step", "origin")


@dataclass(frozen=True, repr=False)
class Backtest:
    """Forecasts from a rolling origin, and their errors.

    `mae`, `rmse` and `mase` are arrays (horizon,), means over all origins, series and columns;
    MASE divides each series' errors by the mean |y_t - y_{t-season}| of what was known at the
    first origin (Hyndman & Koehler 2006; infinite if that is 0). `origins` has the numbers of steps
    known, `forecasts` for each series the forecasts (N, horizon, D), and `actual` what came, in
    the form of y, (N, horizon) where it is 1-D. `coverage` (horizon,) is the share of values that
    were inside the conformal interval, if a level was given.

    `by_series`, `by_step` and `by_origin` are tables with a row for each series (and column), step
    of the horizon and number of steps known, and the columns mae, rmse, mase, pinball, and with a
    level coverage and width, the mean width of the intervals. `pinball` is the mean over levels q
    of max(q e, (q - 1) e), e the value minus its quantile: of the quantiles of the fit, else of the
    two ends of the interval and the forecast, else of the forecast. `baselines` are Backtests of
    naive, seasonal naive, drift and seasonal least squares forecasts on the same origins, and
    `compare` puts all in one table. Tables are DataFrames if pandas is installed, else dicts of
    arrays.

    Examples
    --------
    >>> from pyrnn.estimators import Forecaster
    >>> week = np.tile([8, 8, 9, 10, 14, 20, 5], 30) + np.random.default_rng(0).normal(size=210)
    >>> forecaster = Forecaster(horizon=7, epochs=3, random_state=0).fit(week[:182])
    >>> result = forecaster.backtest(week, start=182, season=7)
    >>> len(result.origins), result.mase.shape, sorted(result.baselines)[:2]
    (22, (7,), ['drift', 'naive'])
    """

    origins: Any
    mae: Array
    rmse: Array
    mase: Array
    coverage: Array | None
    _rolling: Rolling
    _judged: Judged

    @cached_property
    def forecasts(self) -> Any:
        """The forecasts from each origin."""
        return self._rolling.form.pack_origins(self._judged.middle, self._rolling.origins)

    @cached_property
    def actual(self) -> Any:
        """What came from each origin on."""
        came = [some.copy() for some in self._judged.came]
        return self._rolling.form.pack_origins(came, self._rolling.origins)

    @property
    def by_series(self) -> Any:
        """Measures of each series, and if these have several columns of each column."""
        return self._table("series")

    @property
    def by_step(self) -> Any:
        """Measures of each step ahead, 1 ... horizon."""
        return self._table("step")

    @property
    def by_origin(self) -> Any:
        """Measures of the forecasts from each origin, the number of steps known, or of those with
        dates the last time known."""
        return self._table("origin")

    @cached_property
    def baselines(self) -> "dict[str, Backtest]":
        """{name: its Backtest} of simple forecasts of the same steps.

        `naive` is the last value, `seasonal naive` that of the same phase a season ago, `drift`
        the line through the first and the last value, `seasonal least squares` a linear
        autoregression on up to 24 last values, those of the same phase in the last two seasons and
        the known future, for each step ahead, of all series together, each in units of its own
        mean and deviation; it learns from what was known at the first origin, or with `refit` at
        each. Their intervals reach as far as that share of their errors in what was known; NaN if
        it is too short.
        """
        judged = judge_baselines(self._rolling)
        return {name: make_backtest(self._rolling, one) for name, one in judged}

    def compare(self, by: str = "all") -> Any:
        """One table of the forecaster and the baselines: a row for each, or with `by` "series",
        "step" or "origin" for each of these and each of them."""
        check_choice("Backtest.compare", "by", by, SPLITS)
        every = [own[by] for own in self._measured.values()]
        keys, _ = self._rolling.groups(by)
        rows = len(next(iter(keys.values()), [0]))
        names = np.repeat(np.array(list(self._measured), dtype=object), rows)
        index = {**{k: np.tile(v, len(every)) for k, v in keys.items()}, "model": names}
        columns = {name: np.concatenate([own[name] for own in every]) for name in every[0]}
        return as_table(index, columns)

    @cached_property
    def _measured(self) -> dict[str, dict[str, dict[str, Array]]]:
        """For each forecaster, and by each way to split, its measures: of the baselines nothing
        else is kept, as their forecasts are as large as these."""
        found = {OWN: {by: self._columns(by) for by in SPLITS}}
        known = self.__dict__.get("baselines")  # if somebody has asked for them
        pairs = ((name, one._judged) for name, one in known.items()) if known else None
        for name, judged in pairs or judge_baselines(self._rolling):
            found[name] = {by: _columns(self._rolling, judged, by) for by in SPLITS}
        return found

    def __repr__(self) -> str:
        means = (f"{name}={getattr(self, name).mean():.4g}" for name in ("mae", "rmse", "mase"))
        return f"Backtest({len(self.mae)} steps, means over them: {', '.join(means)})"

    def _table(self, by: str) -> Any:
        """The measures of each series, step or origin, with their names."""
        return as_table(self._rolling.groups(by)[0], self._columns(by))

    def _columns(self, by: str) -> dict[str, Array]:
        """The measures of each series, step or origin."""
        return _columns(self._rolling, self._judged, by)


def _columns(rolling: Rolling, judged: Judged, by: str) -> dict[str, Array]:
    """The measures of forecasts by series, step or origin."""
    keys, groups = rolling.groups(by)
    return judged.measures(groups, len(next(iter(keys.values()), [0])))


def make_backtest(rolling: Rolling, judged: Judged) -> Backtest:
    """Forecasts from rolling origins, packed as the user has the series."""
    form, (keys, steps) = rolling.form, rolling.groups("step")
    measures = judged.measures(steps, len(keys["step"]))
    return Backtest(
        origins=rolling.origins[0] if form.kind == "array" else rolling.origins,
        **{name: measures[name] for name in ("mae", "rmse", "mase")},
        coverage=measures.get("coverage"),
        _rolling=rolling,
        _judged=judged,
    )


def as_table(index: dict[str, Array], columns: dict[str, Array]) -> Any:
    """A DataFrame with these rows if pandas is installed, else a dict of the arrays."""
    try:
        from pandas import DataFrame
    except ImportError:
        return index | columns
    return DataFrame(index | columns).set_index(list(index))
