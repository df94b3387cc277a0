"""The learning-rate finder: a short training of a copy, at rates that grow from step to step."""

import copy
import math
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.checks import Array
from .._base.samples import Samples
from .._base.settings import Settings
from .._base.shown import in_digits
from ..losses import Loss
from ..optim._optimizer import Optimizer
from ._epoch_order import epoch_batches
from ._figures import COLORS, finish_axes, new_figure, save_figure
from ._objective import ForwardPass, Mean, Objective
from ._ranks import ALONE
from ._shards import Shards
from ._updates import Updates, trained_module

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEMORY = 0.9  # of the running mean of the losses that tells divergence
DIVERGED = 3.0  # times the first such mean or the least, the larger one: a rise above the least
BEFORE = 10.0  # how much smaller the suggestion is than the rate with the least loss
WIDTH = 3.0  # steps, the standard deviation of the weights that smooth the curve


class LearningRateCurve(Settings):
    """What `Trainer.find_lr` returns: the loss at rates that grow from step to step.

    `rates` and `losses` have one number for each step; `smoothed` is the mean of the losses nearby,
    with the weights of a normal distribution over the steps. `suggestion` is a tenth of the rate at
    which `smoothed` is least, where it still falls (Howard & Gugger 2020); None if it never does.
    `plot` draws them. More steps, or larger batches, make a curve of noisy losses clearer.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 256, dtype=np.float32)[:, None]
    >>> trainer = pyrnn.Trainer(pyrnn.Linear(1, 1, seed=0), "mse", pyrnn.optim.SGD(0.1), seed=0)
    >>> found = trainer.find_lr(x, 2 * x)
    >>> 0.01 < found.suggestion < 1 < found.rates[-1]  # it diverges from 3 on
    True
    >>> trainer.optimizer.lr = found.suggestion
    """

    def __init__(self, rates: list[float], losses: list[float]) -> None:
        self.rates, self.losses = tuple(rates), tuple(losses)
        curve = _smoothed(np.array(losses))
        self.smoothed = tuple(curve.tolist())
        self.suggestion = _before_minimum(rates, curve)

    def plot(self, path: Any = None) -> "Figure":
        """Draws the losses over the rates; saves the picture to `path` (.png, .svg, .pdf).

        Returns the matplotlib Figure. Needs matplotlib: ImportError says how to install it.
        """
        figure = new_figure("LearningRateCurve.plot", figsize=(7, 4.2))
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, color=COLORS[0], alpha=0.35, label="each step")
        axes.plot(self.rates, self.smoothed, color=COLORS[0], label="smoothed")
        if self.suggestion is not None:
            label = f"suggestion {self.suggestion:.2g}"
            axes.axvline(self.suggestion, color=COLORS[1], linestyle="--", label=label)
        known = np.array(self.smoothed)
        if known.size:
            low, high = known.min(), min(known.max(), known[0] + (known[0] - known.min()))
            margin = 0.1 * (high - low) or 1.0
            axes.set_ylim(low - margin, high + margin)  # the loss that diverges leaves the picture
        axes.set_xscale("log")
        axes.set(xlabel="learning rate", ylabel="training loss", title="Loss while the rate grows")
        finish_axes(axes)
        save_figure(figure, path)
        return figure

    def _phrases(self) -> Iterator[str]:
        yield f"{len(self.rates)} rates"
        if self.rates:
            yield f"{in_digits(self.rates[0])} to {in_digits(self.rates[-1])}"
        yield f"suggestion={None if self.suggestion is None else in_digits(self.suggestion)}"


def find_lr(
    model: Any,
    loss: Loss,
    optimizer: Optimizer,
    samples: Samples,
    rates: Array,
    generator: "np.random.Generator",
    *,
    batches: dict[str, Any],
    tbptt: int | None,
    updating: dict[str, Any],
    shards: int,
) -> LearningRateCurve:
    """The curve of a copy of model, loss and optimizer, which is trained at each rate in turn.

    It ends early when the loss is no number, or when its running mean has risen far above the least
    one; losses may be negative, so that far is no multiple of the least alone.
    """
    model, loss, optimizer = copy.deepcopy((model, loss, optimizer))
    objective = Objective(model, loss, [])
    module = trained_module(model, loss)
    cut = Shards(module, shards, ALONE)
    passes = _passes(objective, cut, samples, copy.deepcopy(generator), batches, tbptt)
    updates = Updates(module, optimizer, **updating, schedules=[], ema=None)
    owns = optimizer.own_lrs
    shares = [lr / owns[0] if owns[0] else 1.0 for lr in owns]  # of the groups
    tried, losses, running, least = [], [], 0.0, math.inf
    for rate in rates.tolist():
        for number, share in enumerate(shares):
            optimizer.set_own_lr(number, rate * share)
        mean = Mean()
        try:
            for _ in range(updates.accumulate):
                result = next(passes)
                mean.add(result.loss, result.weight)
                updates.add(result, lambda gradients: None)
        except FloatingPointError:  # of a gradient
            break
        if not math.isfinite(mean.value):
            break
        if not mean.weight:  # no target counts, and no step was taken
            continue
        tried.append(rate)
        losses.append(mean.value)
        running = MEMORY * running + (1 - MEMORY) * mean.value
        now = running / (1 - MEMORY ** len(losses))
        least = min(least, now)
        if now - least > DIVERGED * max(abs(losses[0]), abs(least)):
            break
    return LearningRateCurve(tried, losses)


def _passes(
    objective: Objective,
    shards: Shards,
    samples: Samples,
    generator: "np.random.Generator",
    batches: dict[str, Any],
    tbptt: int | None,
) -> Iterator[ForwardPass]:
    """Forward passes of training, epoch after epoch."""
    while True:
        order = epoch_batches(generator, len(samples), samples.lengths, **batches)
        with closing(shards.read(samples, order, tbptt)) as read:
            for batch in read:
                yield from shards.passes(objective, samples, batch)


def _smoothed(losses: Array) -> Array:
    """Means of the losses nearby."""
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / WIDTH) ** 2)
    curve: Array = (weights @ losses) / weights.sum(axis=1)
    return curve


def _before_minimum(rates: list[float], curve: Array) -> float | None:
    """A tenth of the rate with the least loss; None if that is the first: it never fell."""
    lowest = int(curve.argmin()) if len(curve) else 0
    return rates[lowest] / BEFORE if lowest else None
