"""Pictures of a trace with matplotlib."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..training._figures import COLORS, finish_axes, new_figure, save_figure
from ._table import gates_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_TICKS = 24


def draw(trace: Any, path: Any) -> "Figure":
    """A row of heat maps for each layer: its gates, its states; below them |dL/dh_t|."""
    shown = [(layer, [*gates_of(layer), *_states(layer)]) for layer in trace.layers]
    columns = max(len(names) for _, names in shown)
    rows = len(shown) + 1
    figure = new_figure("Trace.plot", figsize=(max(6.4, 2.7 * columns), 1.0 + 2.1 * rows))
    grid = figure.add_gridspec(rows, columns)
    for row, (layer, names) in enumerate(shown):
        for column, name in enumerate(names):
            axes = figure.add_subplot(grid[row, column])
            _heat_map(figure, axes, layer[name].T, name in gates_of(layer))
            axes.set_title(f"{layer.name}: {name}", fontsize=10)
            axes.set_ylabel("unit" if column == 0 else "")
            _tokens(axes, trace)
    axes = figure.add_subplot(grid[rows - 1, :])
    for number, layer in enumerate(trace.layers):
        for name, norms in layer.gradient_norms.items():
            style = "-" if name == "h" else "--"
            color = COLORS[number % 2] if len(trace.layers) < 3 else None
            axes.plot(norms, style, color=color, label=f"{layer.name}: |dL/d{name}_t|")
    if all(np.all(n > 0) for layer in trace.layers for n in layer.gradient_norms.values()):
        axes.set_yscale("log")
    axes.set(xlabel="step t", title="The gradient on its way back through time")
    _tokens(axes, trace)
    finish_axes(axes)
    save_figure(figure, path)
    return figure


def _states(layer: Any) -> list[str]:
    return [name for name in ("c", "h") if name in layer.names]


def _heat_map(figure: Any, axes: Any, values: Any, is_gate: bool) -> None:
    """A gate from 0 to 1; a state around 0."""
    if is_gate:
        image = axes.imshow(values, aspect="auto", cmap="Blues", vmin=0, vmax=1)
    else:
        limit = float(np.abs(values).max()) or 1.0
        image = axes.imshow(values, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
    figure.colorbar(image, ax=axes)


def _tokens(axes: Any, trace: Any) -> None:
    """The words of the steps, where there is room."""
    if trace.tokens and trace.steps <= MOST_TICKS:
        axes.set_xticks(range(trace.steps), trace.tokens, rotation=60, ha="right", fontsize=8)
