"""Division: the steps of each series that are trained on, decide when to stop, and calibrate."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._base.checks import Array, check_probability
from .._network import check_share
from .form import Form
from .series import Series
from .windows import Cutter

SHARE = 0.1  # of each series, that decides when to stop if nothing is calibrated


@dataclass(frozen=True)
class Division:
    """How many steps of a series are trained on, then decide when to stop, and at its end
    calibrate; the last two are the same where no share was given for the second."""

    learnt: int
    stops: int
    calibrated: int

    def known(self, series: Series) -> Series:
        """All but the calibration."""
        return series.rows(0, len(series) - self.calibrated)

    def trained(self, series: Series) -> Series:
        """What is trained on."""
        return series.rows(0, self.learnt)

    def held(self, series: Series, cutter: Cutter) -> Series:
        """What decides when to stop, after the steps that forecasts of it read; nothing where that
        is too little for one."""
        first = max(0, self.learnt - cutter.lookback)
        few = self.learnt + self.stops - first < cutter.lookback + cutter.steps
        return series.rows(first, first if few or not self.stops else self.learnt + self.stops)

    def origins(self, series: Series, horizon: int) -> Array:
        """(N,): from which forecasts lie in the calibration."""
        first = len(series) - self.calibrated
        return np.arange(first, len(series) - horizon + 1 if self.calibrated else first)


def divided(spec: Any, cutter: Cutter, many: list[Series], form: Form) -> list[Division]:
    """The division of each series, as the forecaster's parameters say.

    A series too short for all of that is trained on alone. One too short for that, too, is left
    out, with a warning that names it; ValueError if all are."""
    owner = type(spec).__name__
    calibration = check_probability(owner, "calibration", spec.calibration)
    given = spec.validation_fraction is not None
    share = check_share(spec) if given else 0.0 if calibration else SHARE
    held = share if spec.early_stopping else 0.0
    every = []
    for series in many:
        T = len(series)
        last, middle = round(calibration * T), round(held * T)
        middle = middle if middle > cutter.steps else 0
        first, stops = T - last - middle, middle if held else last * spec.early_stopping
        if first < cutter.least:
            first, stops, last = (T, 0, 0) if cutter.least <= T else (0, 0, 0)
        every.append(Division(first, stops, last))
    tell_left_out(owner, cutter, form, [len(s) for s in many], [own.learnt for own in every])
    if given and held and not any(own.stops for own in every):
        T = max(map(len, many))
        raise ValueError(
            f"{owner}: validation_fraction is {held}, which holds out {round(held * T)} of "
            f"{T} steps, expected more than {cutter.steps}"
        )
    return every


def tell_left_out(
    owner: str, cutter: Cutter, form: Form, steps: list[int], trained: list[int]
) -> None:
    """Warns of series that are not trained on; ValueError if none is."""
    short = [i for i, count in enumerate(trained) if not count]
    if not short:
        return
    if len(short) == len(steps):
        i = int(np.argmax(steps))
        raise ValueError(
            f"{owner}: {form.name('y', i)} has {steps[i]} steps, expected at least "
            f"{cutter.least} to train on"
        )
    names = ", ".join(f"{form.name('y', i)} ({steps[i]} steps)" for i in short)
    warnings.warn(
        f"{owner}: too short to train on, left out: {names}; at least {cutter.least} are needed",
        stacklevel=6,
    )
