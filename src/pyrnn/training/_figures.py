"""Figures: what pictures have in common."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#4477aa", "#cc6677")  # of the first curve and of the second


def new_figure(owner: str, **options: Any) -> "Figure":
    """An empty figure of matplotlib, which `owner` needs."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        error.add_note(f"{owner} draws with matplotlib: pip install matplotlib")
        raise
    return Figure(layout="constrained", **options)


def finish_axes(axes: Any, *, legend: bool = True) -> None:
    """A grid, a frame that is open above and to the right, and perhaps a legend of the curves."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if legend and axes.lines:
        axes.legend(frameon=False)


def save_figure(figure: Any, path: Any) -> None:
    """Saves the picture where a path is given."""
    if path is not None:
        figure.savefig(path, dpi=150)
