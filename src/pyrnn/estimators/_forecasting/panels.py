"""Panels: small pictures side by side, one for each series."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._base.checks import Array
from ...training._figures import COLORS, finish_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 20  # panels of a picture
KNOWN, WHITE = "0.3", (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Fan:
    """What is drawn of one column of a series. Steps are their numbers, or their times."""

    name: str
    steps: Array  # of what is known
    known: Array
    ahead: Array  # the steps that are forecast
    middle: Array
    bands: list[tuple[float, Array, Array]]  # each level with its lower and upper ends
    truth: Array | None


def draw_fans(owner: str, fans: list[Fan], label: str) -> "Figure":
    """A figure with a panel for each, of many the first ones, and one legend."""
    shown = fans[:MOST]
    columns = 1 if len(shown) == 1 else 2 if len(shown) <= 4 else 4
    rows = math.ceil(len(shown) / columns)
    size = (8.0, 4.0) if len(shown) == 1 else (3.0 * max(columns, 3), 2.1 * rows + 1.0)
    figure = new_figure(owner, figsize=size)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, fan in zip(grid.flat, shown, strict=False):
        _draw(axes, fan)
        axes.tick_params(labelsize=8 if len(shown) > 1 else 9)
        _label_steps(axes, fan, few=columns > 2)
    for axes in [grid[-1, 0]] if len(shown) > 1 else grid.flat:
        axes.set_xlabel(label)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=8.5)
    if len(fans) > MOST:
        figure.suptitle(f"the first {MOST} of {len(fans)}", fontsize=10)
    return figure


def _draw(axes: Any, fan: Fan) -> None:
    """The widest band first, so that narrower ones lie on it."""
    blue = COLORS[0]
    for k, (level, low, high) in enumerate(sorted(fan.bands, key=lambda band: -band[0])):
        shade = _mixed(blue, 0.18 + 0.5 * k / max(len(fan.bands), 2))
        axes.fill_between(
            fan.ahead, low, high, color=shade, linewidth=0, label=f"{100 * level:g} % interval"
        )
    axes.plot(fan.steps, fan.known, color=KNOWN, linewidth=1, label="known")
    steps, middle = (
        np.concatenate([before[-1:], after])
        for before, after in ((fan.steps, fan.ahead), (fan.known, fan.middle))
    )
    axes.plot(steps, middle, color=blue, linewidth=1.6, label="forecast")
    if fan.truth is not None:
        truth = {"color": COLORS[1], "marker": ".", "markersize": 4, "linewidth": 1}
        axes.plot(fan.ahead[: len(fan.truth)], fan.truth, **truth, label="what came")
    axes.set_title(fan.name, fontsize=9, loc="left")
    finish_axes(axes, legend=False)


def _label_steps(axes: Any, fan: Fan, *, few: bool) -> None:
    """Dates in short form, or whole numbers; fewer on a small panel."""
    from matplotlib import dates
    from matplotlib.ticker import MaxNLocator

    if fan.steps.dtype.kind == "M":
        locator: Any = dates.AutoDateLocator(  # type: ignore[no-untyped-call]
            minticks=2, maxticks=4 if few else 7
        )
        axes.xaxis.set_major_locator(locator)
        short = dates.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(short)
        axes.xaxis.get_offset_text().set_fontsize(8)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4 if few else 8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4 if few else 6))


def _mixed(color: str, share: float) -> tuple[float, ...]:
    """A colour mixed with white: opaque, so that bands do not add up."""
    from matplotlib.colors import to_rgb

    pairs = zip(to_rgb(color), WHITE, strict=True)
    return tuple(share * own + (1 - share) * white for own, white in pairs)
