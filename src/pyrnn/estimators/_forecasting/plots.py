"""Plots: pictures of forecasts and of backtests."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import Array, check_choice, check_size
from ...training._figures import COLORS, finish_axes, new_figure, save_figure
from .backtest import OWN, Backtest
from .conformal import read_levels
from .errors import Errors
from .form import Form
from .panels import Fan, draw_fans

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .forecaster import Forecaster

FAN = (0.5, 0.8, 0.95)
PER_FORECAST, LEAST = 4, 30  # known steps that are drawn: for each that is forecast, and at least
STYLES = {  # of forecasters: colour, dashes, and the mark of a series
    OWN: (COLORS[0], "-", "o"),
    "naive": ("0.55", ":", "|"),
    "seasonal naive": ("#117733", "-.", "x"),
    "drift": ("#ddaa33", (0, (5, 1, 1, 1, 1, 1)), "1"),
    "seasonal least squares": (COLORS[1], "--", "s"),
}
SHOWN = (OWN, "seasonal naive", "seasonal least squares")  # by series, and always on the axis
NAMED = 40  # series whose names can be read beside an axis
BEST = {"mase": (1.0, "MASE"), "coverage": (None, "coverage")}  # a line to compare with; a name


def plot_backtest(result: Backtest, path: Any = None) -> "Figure":
    """Draws what a backtest tells; saves the picture to `path` (.png, .svg, .pdf).

    MASE by step ahead beside the baselines, and with a level the coverage of the intervals beside
    that level; of several series also by series. MASE is below 1 where forecasts are better than
    the values of a season ago were in what was known.

    Returns the matplotlib Figure. Needs matplotlib: ImportError says how to install it.

    Examples
    --------
    >>> from pyrnn.estimators import Forecaster, plot_backtest
    >>> wave = np.sin(np.arange(120) / 3)
    >>> forecaster = Forecaster(horizon=4, epochs=2, random_state=0).fit(wave[:100])
    >>> figure = plot_backtest(forecaster.backtest(wave, start=100, season=19))
    >>> figure.axes[0].get_xlabel()
    'steps ahead'
    """
    rolling = result._rolling
    names = list(zip(*rolling.groups("series")[0].values(), strict=True))
    measures = ["mase"] if rolling.level is None else ["mase", "coverage"]
    several = len(names) > 1
    below = 0.6 + 0.17 * min(len(names), NAMED)
    size = (5.5 * len(measures) + 0.5, 3.8 + below * several)
    figure = new_figure("plot_backtest", figsize=size)
    heights = [3.2, below][: 1 + several]
    grid = figure.subplots(len(heights), len(measures), squeeze=False, height_ratios=heights)
    results = {OWN: result, **result.baselines}
    for column, measure in enumerate(measures):
        _by_step(grid[0, column], results, measure)
        if several:
            _by_series(grid[1, column], results, measure, names)
        for axes, line in ((grid[0, column], "axhline"), (grid[-1, column], "axvline")):
            best = BEST[measure][0] or rolling.level
            if line == "axhline" or several:
                getattr(axes, line)(best, color="0.35", linewidth=0.9, zorder=0.5)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    save_figure(figure, path)
    return figure


def _by_step(axes: Any, results: dict[str, Backtest], measure: str) -> None:
    """A curve over the steps ahead for each forecaster."""
    from matplotlib.ticker import MaxNLocator

    for name, result in results.items():
        color, dashes, marker = STYLES[name]
        values = np.asarray(getattr(result, measure))
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=color,
            linestyle=dashes,
            linewidth=2.2 if name == OWN else 1.3,
            marker=marker if len(values) <= 40 else None,
            markersize=5 if name == OWN else 4,
            zorder=3 if name == OWN else 2,
            label=name,
        )
    axes.set_xlabel("steps ahead")
    axes.set_ylabel(BEST[measure][1])
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if measure == "mase":
        axes.set_ylim(0, _top(results, "by_step"))
    finish_axes(axes, legend=False)


def _by_series(
    axes: Any, results: dict[str, Backtest], measure: str, names: list[tuple[Any, ...]]
) -> None:
    """A row for each series, with a mark for each forecaster; names of the rows if not too many."""
    rows = np.arange(len(names))
    for name in SHOWN:
        color, _, marker = STYLES[name]
        values = np.asarray(results[name].by_series[measure])
        axes.plot(
            values,
            rows,
            color=color,
            marker=marker,
            linestyle="",
            markersize=5.5 if name == OWN else 4.5,
            zorder=3 if name == OWN else 2,
        )
    axes.set_xlabel(f"{BEST[measure][1]} of each series")
    if len(names) <= NAMED:
        axes.set_yticks(rows, [", ".join(map(str, name)) for name in names], fontsize=8)
    else:
        axes.set_yticks([])
    axes.set_ylim(len(names) - 0.5, -0.5)
    if measure == "mase":
        axes.set_xlim(0, _top(results, "by_series"))
    finish_axes(axes, legend=False)


def _top(results: dict[str, Backtest], by: str) -> float:
    """The end of the axis of MASE, which a baseline that is much worse may leave."""
    every = np.concatenate([getattr(results[name], by)["mase"] for name in SHOWN])
    return 1.25 * max(1.0, float(every[np.isfinite(every)].max(initial=0.0)))


def plot_forecast(
    forecaster: "Forecaster",
    y: Any = None,
    *,
    truth: Any = None,
    levels: Any = None,
    horizon: int | None = None,
    past: Any = None,
    future: Any = None,
    history: int | str | None = None,
    path: Any = None,
) -> "Figure":
    """Draws the forecasts of a fitted forecaster behind what is known: a panel for each series and
    column, of the first 20; saves the picture to `path` (.png, .svg, .pdf).

    `y` is what is drawn of what is known, up to the last step that the forecaster knows; None: the
    steps that the forecasts are made from. `truth` are steps that came after them. Both have the
    form of the y of the fit. `history` is how many of the last known steps are drawn, or "all";
    None: four times as many as are forecast, but at least 30 and the lookback. `levels` are those
    of the intervals, None: those of 0.5, 0.8 and 0.95 that the calibration is long enough for.
    `horizon`, `past` and `future` are `predict`'s.

    Returns the matplotlib Figure. Needs matplotlib: ImportError says how to install it. Errors as
    `predict`'s and `interval`'s, and for a y that ends otherwise or a truth that begins otherwise.

    Examples
    --------
    >>> from pyrnn.estimators import Forecaster, plot_forecast
    >>> wave = np.sin(np.arange(120) / 3)
    >>> forecaster = Forecaster(horizon=4, epochs=2, random_state=0).fit(wave[:100])
    >>> figure = plot_forecast(forecaster, truth=wave[100:104], levels=[0.8])
    >>> len(figure.axes)
    1
    """
    check_is_fitted(forecaster, "network_")
    steps_known = _read_history(history)
    fitted, form = forecaster._fitted, forecaster._fitted.form
    forecasts = forecaster._ahead(horizon, None, past, future).numbers()
    known = [fitted.scales.undo(i, tail.y) for i, tail in enumerate(fitted.tails)]
    if y is not None:
        tails, (known, given) = known, forecaster._read_alone("y", y)
        _check_ends(form, tails, known, given)
    came: list[Any] = [None] * len(known)
    if truth is not None:
        came, given = forecaster._read_alone("truth", truth)
        forecaster._check_follows(given, "truth")
    fans, errors = [], Errors(fitted)
    for i, (before, ahead, real) in enumerate(zip(known, forecasts, came, strict=True)):
        middle = fitted.middle_of(ahead)
        drawn = steps_known or max(LEAST, PER_FORECAST * len(middle), fitted.cutter.lookback)
        before = before[-drawn:]
        reaches = _reaches(forecaster, errors, i, len(middle), levels)
        bands = [(level, fitted.ends_of(ahead, far)) for level, far in reaches]
        steps = _times(form, i, np.arange(-len(before), len(middle)))
        for d, name in enumerate(_titles(form, i, before.shape[1])):
            fans.append(
                Fan(
                    name,
                    steps[: len(before)],
                    before[:, d],
                    steps[len(before) :],
                    middle[:, d],
                    [(level, ends[:, d, 0], ends[:, d, 1]) for level, ends in bands],
                    None if real is None else real[: len(middle), d],
                )
            )
    figure = draw_fans("plot_forecast", fans, "" if steps.dtype.kind == "M" else "step")
    save_figure(figure, path)
    return figure


def _read_history(history: Any) -> int:
    """How many known steps are drawn of each series; 0: as many as suit the forecasts."""
    if history is None:
        return 0
    if isinstance(history, str):
        check_choice("plot_forecast", "history", history, ("all",))
        return sys.maxsize
    return check_size("plot_forecast", "history", history)


def _times(form: Form, i: int, offsets: Array) -> Array:
    """The times of steps of series i, or their numbers, counted from the first that follows those
    known."""
    if form.clock is not None:
        return form.clock.stamps(form.next_step(i) + offsets).wall
    steps: Array = form.ends[i] + offsets
    return steps


def _titles(form: Form, i: int, D: int) -> list[str]:
    """What the panels of series i are called."""
    series = [] if form.kind == "array" else [str(form.keys[i])]
    columns = form.columns or [f"column {d}" for d in range(D)]
    if D > 1:
        return [", ".join([*series, str(column)]) for column in columns]
    lone = not series and form.columns and columns[0] is not None
    return [str(columns[0]) if lone else "".join(series)]


def _reaches(
    forecaster: "Forecaster", errors: Errors, i: int, horizon: int, levels: Any
) -> list[tuple[float, Array]]:
    """How far intervals reach: of the levels that were asked for, or those that there are errors
    enough for."""
    if levels is not None:
        asked = read_levels(forecaster._owner, levels)
        return [(level, errors.reach(i, level, horizon)) for level in asked]
    possible = []
    for level in FAN:
        try:
            possible.append((level, errors.reach(i, level, horizon)))
        except ValueError:
            continue
    return possible


def _check_ends(form: Form, tails: list[Array], ys: list[Array], given: Form) -> None:
    """ValueError unless series y end with the last step that is known."""
    for i, (y, tail) in enumerate(zip(ys, tails, strict=True)):
        came, expected = str(y[-1].tolist()), str(tail[-1].tolist())
        last = [one.next_step(i) - 1 for one in (given, form)]
        if form.clock is not None and last[0] != last[1]:
            came, expected = map(form.clock.show, last)
        elif np.allclose(y[-1], tail[-1], rtol=1e-5, equal_nan=True):
            continue
        raise ValueError(
            f"Forecaster: {form.name('y', i)} ends with {came}, expected {expected}, the last step "
            "known; update takes those that came since"
        )
