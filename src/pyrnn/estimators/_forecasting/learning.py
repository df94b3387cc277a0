"""Learning: scales, network and errors, made of series as a forecaster's parameters say."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from ..._base.checks import check_probability
from ...layers._sequential import Sequential
from .._network import build_network, check_share, read_loss
from .fitted import Fitted
from .form import Form
from .gaps import read_filler, shares
from .measures import naive_scale
from .outcomes import check_range
from .plan import Plan, epochs_of, planned
from .scales import scales_of
from .series import Series
from .skip import Skip
from .transform import Transform, read_transform
from .windows import Cutter

SHARE = 0.1  # of each series, that decides when to stop if nothing is calibrated


def learn(spec: Any, many: list[Series], form: Form, seed: int) -> Fitted:
    """Scales, network and errors, of series that have been read; `spec` is the forecaster, whose
    parameters say how."""
    owner, transform, refit = type(spec).__name__, read_transform(spec), spec.refit
    read_loss(spec)  # which the outcome may not need
    plan = planned(spec, many, form, transform)
    cutter, outcome = plan.cutter, plan.outcome
    check_range(owner, form, many, outcome)
    parts = _split(spec, cutter, many, form)
    known = [len(series) - last for series, (*_, last) in zip(many, parts, strict=True)]
    rows = [series.rows(0, n) for series, n in zip(many, known, strict=True)]
    scales = scales_of(
        owner,
        spec.scale,
        read_filler(owner, spec.missing),
        Transform(log=True, positive=True) if outcome.counts else transform,
        [form.name("y", i) for i in range(len(many))],
        rows,
    )
    widths = tuple(part.shape[1] for part in many[0].parts())
    gone, changes = shares(many), [naive_scale(series.y, 1) for series in many]
    many = [scales.apply(i, series) for i, series in enumerate(many)]
    learnt = [series.rows(0, n) for series, (n, *_) in zip(many, parts, strict=True)]
    data = cutter.training(learnt)
    if len(data[0]) == 0:
        raise ValueError(
            f"{owner}: y has no observed value to learn from, expected some after the first"
        )
    held = _ends(cutter, many, parts)
    network, skip = _network(spec, plan, learnt, held, seed)
    tails = [series.last(cutter.lookback) for series in many]
    fitted = Fitted(owner, form, widths, cutter, plan.asked, outcome, scales, network, tails, gone)
    fitted.changes, fitted.rates = changes, {} if skip is None else skip.rates
    ends = replace(cutter, burn=cutter.lookback - 1).training(held, once=True) if held else None
    ends = None if ends is None or len(ends[0]) == 0 else ends
    best = fitted.train(spec, data, ends, epochs_of(spec, len(data[0])), seed)
    fitted.residuals = fitted.errors(many, [last for _, _, last in parts])
    if not refit:
        return fitted
    if skip is not None and skip.is_least_squares:
        skip.refit(cutter.training(many, once=True))
    elif list(map(len, learnt)) != list(map(len, many)):
        history = fitted.history
        fitted.network, _ = _network(spec, plan, many, [], seed, skip)
        if best:
            fitted.train(spec, cutter.training(many), None, best, seed)
        fitted.history = history
    return fitted


def _network(
    spec: Any,
    plan: Plan,
    learnt: list[Series],
    held: list[Series],
    seed: int,
    before: Skip | None = None,
) -> tuple[Sequential, Skip | None]:
    """The network, with a linear part if it has one at least squares: as strongly drawn to the
    seasonal naive forecast as the one `before`, or as held-out steps want it."""
    cutter = plan.cutter
    inputs = cutter.inputs(learnt[0]).shape[1]
    outputs = plan.outcome.outputs * cutter.steps * learnt[0].y.shape[1]
    size = plan.hidden_size
    recurrent = build_network(spec, inputs, outputs, pooling=None, seed=seed, size=size)
    if not plan.skip:
        return recurrent, None
    strength = None if before is None else before.strength
    skip = Skip.beside(recurrent, plan, learnt, held, strength)
    return skip.network, skip


def _ends(cutter: Cutter, many: list[Series], parts: list[tuple[int, int, int]]) -> list[Series]:
    """The steps of each series that decide when to stop, after those that forecasts of them read;
    without those series that have too few."""
    pairs = zip(many, parts, strict=True)
    ends = [s.rows(max(0, n - cutter.lookback), n + m) for s, (n, m, _) in pairs if m]
    return [series for series in ends if len(series) >= cutter.lookback + cutter.steps]


def _split(spec: Any, cutter: Cutter, many: list[Series], form: Form) -> list[tuple[int, int, int]]:
    """For each series, how many steps to train on, to stop early by, to calibrate on; the last two
    are the same where no share was given for the second.

    A series too short for all of that is trained on alone. One too short for that, too, is left
    out, with a warning that names it; ValueError if all are."""
    owner = type(spec).__name__
    calibration = check_probability(owner, "calibration", spec.calibration)
    given = spec.validation_fraction is not None
    share = check_share(spec) if given else 0.0 if calibration else SHARE
    held = share if spec.early_stopping else 0.0
    parts = []
    for series in many:
        T = len(series)
        last, middle = round(calibration * T), round(held * T)
        middle = middle if middle > cutter.steps else 0
        first, stops = T - last - middle, middle if held else last * spec.early_stopping
        if first < cutter.least:
            first, stops, last = (T, 0, 0) if cutter.least <= T else (0, 0, 0)
        parts.append((first, stops, last))
    tell_left_out(owner, cutter, form, [len(s) for s in many], [n for n, _, _ in parts])
    if given and held and not any(stops for _, stops, _ in parts):
        T = max(map(len, many))
        raise ValueError(
            f"{owner}: validation_fraction is {held}, which holds out {round(held * T)} of "
            f"{T} steps, expected more than {cutter.steps}"
        )
    return parts


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
