"""History: what a training run recorded, one number per epoch, and its picture."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .._base.checks import check_list, check_mapping, check_number
from .._base.settings import Settings
from .._base.shown import html_table, in_digits
from ._figures import COLORS, finish_axes, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


MOST_ROWS = 20  # of its table
SIDES = ("training", "validation")
TRAIN = "train_"  # the names of metrics on the training data begin with it


@dataclass(repr=False)
class History(Settings):
    """The record of a training run: lists with one number per epoch.

    `loss` is the mean over the epoch's real elements, each batch computed with the weights at
    that time; `val_loss` the mean over the validation data after the epoch, NaN without such data;
    `seconds` the time spent on training; `tokens_per_second` real time steps per second of it.
    `metrics` has such a list for each metric of the trainer by name, on the validation data too,
    and on the training data as "train_accuracy" where `fit` was asked for them or had no
    validation.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = pyrnn.Linear(1, 1, seed=0)
    >>> trainer = pyrnn.Trainer(model, pyrnn.losses.MSE(), pyrnn.optim.Adam(0.1))
    >>> history = trainer.fit((x, 2 * x), epochs=20, progress=False)
    >>> len(history), history.loss[-1] < history.loss[0], history.val_loss[-1]
    (20, True, nan)
    """

    loss: list[float]
    val_loss: list[float]
    seconds: list[float]
    tokens_per_second: list[float]
    metrics: dict[str, list[float]]

    def __init__(self) -> None:
        self.loss, self.val_loss, self.seconds, self.tokens_per_second = [], [], [], []
        self.metrics = {}

    def append(
        self,
        loss: float,
        val_loss: float,
        seconds: float,
        tokens: int,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Adds one epoch, in which `tokens` time steps were trained on."""
        for name in metrics or {}:
            self.metrics.setdefault(name, [math.nan] * len(self))
        for name, values in self.metrics.items():
            values.append((metrics or {}).get(name, math.nan))
        self.loss.append(loss)
        self.val_loss.append(val_loss)
        self.seconds.append(seconds)
        self.tokens_per_second.append(tokens / seconds if seconds > 0 else math.nan)

    def __len__(self) -> int:
        """The number of epochs."""
        return len(self.loss)

    def last(self, name: str) -> float:
        """The latest number of one of the `columns`; KeyError for another name."""
        return self.columns()[name][-1]

    def __getitem__(self, epoch: int) -> dict[str, float]:
        """All numbers of one epoch by name, counted from 0: `history[-1]` is the last one."""
        return {name: values[epoch] for name, values in self.columns().items()}

    def columns(self) -> dict[str, list[float]]:
        """All lists by name: the losses, the metrics, seconds and tokens_per_second."""
        losses = {"loss": self.loss, "val_loss": self.val_loss}
        speed = {"seconds": self.seconds, "tokens_per_second": self.tokens_per_second}
        return {**losses, **self.metrics, **speed}

    def to_frame(self) -> "DataFrame":
        """A pandas DataFrame with a row for each epoch, counted from 1, and the `columns`.

        Needs pandas: ImportError says how to install it.
        """
        try:
            from pandas import DataFrame, RangeIndex
        except ImportError as error:
            error.add_note("History.to_frame makes a table of pandas: pip install pandas")
            raise
        return DataFrame(self.columns(), index=RangeIndex(1, len(self) + 1, name="epoch"))

    def _phrases(self) -> Iterator[str]:
        yield f"{len(self)} epoch{'s' if len(self) != 1 else ''}"
        if len(self):
            measured = {
                n: v for n, v in self[-1].items() if n in ("loss", "val_loss", *self.metrics)
            }
            yield from (f"{n}={in_digits(v)}" for n, v in measured.items() if not math.isnan(v))

    def _repr_html_(self) -> str:
        """One row per epoch; of a long training the first and the last ones."""
        shown = {n: v for n, v in self.columns().items() if not all(map(math.isnan, v))}
        rows = [[str(i + 1), *(in_digits(v[i]) for v in shown.values())] for i in range(len(self))]
        if len(rows) > MOST_ROWS:
            rows[MOST_ROWS // 2 : -(MOST_ROWS // 2)] = [["..."] * (1 + len(shown))]
        return html_table(["epoch", *shown], rows, left=0)

    def state_dict(self) -> dict[str, Any]:
        """A copy of all lists by name."""
        return asdict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned; TypeError or ValueError, with nothing changed,
        unless it has lists of numbers, all of one length."""
        self.take_state(self.read_state(state))

    def read_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What `state_dict` returned, checked and copied."""
        names = ("loss", "val_loss", "seconds", "tokens_per_second")
        state = check_mapping("History", "state", state, (*names, "metrics"))
        read: dict[str, Any] = {name: _numbers(name, state[name]) for name in names}
        metrics = check_mapping("History", "metrics", state["metrics"])
        read["metrics"] = {name: _numbers(name, values) for name, values in metrics.items()}
        lengths = {len(values) for values in [*read["metrics"].values(), *map(read.get, names)]}
        if len(lengths) > 1:
            raise ValueError(f"History: lists have the lengths {sorted(lengths)}, expected one")
        return read

    def take_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `read_state` returned."""
        vars(self).update(state)

    def plot(
        self,
        path: Any = None,
        *,
        label: str = "loss",
        scale: float = 1.0,
        lines: Mapping[str, float] | None = None,
    ) -> "Figure":
        """Draws the losses over the epochs, below them each metric in axes of its own; saves the
        picture to `path` (.png, .svg, .pdf).

        The losses are multiplied by `scale` and called `label` (1/ln 2 and "bits per character"
        turn nats into bits). `lines` are levels to compare with: {"trigram": 2.56}.
        Returns the matplotlib Figure. Needs matplotlib: ImportError says how to install it.
        """
        metrics = {
            name: values
            for name, values in self.metrics.items()
            if not all(map(math.isnan, values))
        }
        panels: dict[str, dict[str, list[float]]] = {}
        for name, values in metrics.items():
            side = SIDES[not name.startswith(TRAIN)]
            panels.setdefault(name.removeprefix(TRAIN), {})[side] = values
        count = len(panels)
        figure = new_figure("History.plot", figsize=(7, 4.2 + 1.6 * count))
        axes, *below = figure.subplots(
            1 + count, sharex=True, squeeze=False, height_ratios=[4.2] + [1.6] * count
        )[:, 0]
        losses = dict(zip(SIDES, (self.loss, self.val_loss), strict=True))
        scaled = {name: [scale * value for value in values] for name, values in losses.items()}
        self._draw_curves(axes, label, scaled)
        for panel, (name, curves) in zip(below, panels.items(), strict=True):
            self._draw_curves(panel, name, curves)
        for name, level in (lines or {}).items():
            axes.axhline(level, color="0.35", linestyle="--", linewidth=1.2)
            axes.annotate(
                f"{name}: {level:.3g}",
                (1, level),
                xycoords=("axes fraction", "data"),
                xytext=(-4, 3),
                textcoords="offset points",
                ha="right",
                color="0.35",
            )
        axes.set_title(self._title())
        [axes, *below][-1].set_xlabel("epoch")
        save_figure(figure, path)
        return figure

    @staticmethod
    def _draw_curves(axes: Any, label: str, curves: Mapping[str, list[float]]) -> None:
        """Curves over epochs 1, 2, ..., their last values in the legend; none where all is NaN."""
        from matplotlib.ticker import MaxNLocator

        for name, values in curves.items():
            known = [value for value in values if not math.isnan(value)]
            if known:
                axes.plot(
                    range(1, len(values) + 1),
                    values,
                    color=COLORS[SIDES.index(name)],
                    markersize=4,
                    marker="o" if len(values) <= 40 else None,
                    label=f"{name} (last {known[-1]:.4g})",
                )
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        finish_axes(axes)

    def _title(self) -> str:
        """How long it took and how fast it was."""
        if not self.seconds:
            return "no epochs yet"
        seconds = sum(self.seconds)
        steps = sum(s * r for s, r in zip(self.seconds, self.tokens_per_second, strict=True))
        epochs = f"{len(self)} epoch{'s' if len(self) > 1 else ''}"
        return f"{epochs}, {seconds:.1f} s of training, {steps / seconds:,.0f} steps per second"


def _numbers(name: str, values: Any) -> list[float]:
    """A list of numbers, copied."""
    values = check_list("History", name, values)
    return [check_number("History", f"{name}[{i}]", value) for i, value in enumerate(values)]
