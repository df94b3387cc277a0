"""Learning: scales, network and errors, made of series as a forecaster's parameters say."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from ..._base.checks import check_choice, check_probability, check_size
from ...losses import Quantile
from .._naming import naming
from .._network import build_network, check_share, read_loss
from .fitted import Fitted
from .form import Form
from .gaps import flagged, read_filler, shares
from .measures import naive_scale
from .outcomes import check_range, read_outcome
from .scales import scales_of
from .series import Series
from .transform import Transform, read_transform
from .windows import Cutter


def learn(spec: Any, many: list[Series], form: Form, seed: int) -> Fitted:
    """Scales, network and errors, of series that have been read; `spec` is the forecaster, whose
    parameters say how."""
    owner = type(spec).__name__
    read_loss(spec)  # which the outcome may not need
    asked, transform = _quantiles(spec), read_transform(spec)
    outcome = read_outcome(spec, transform, asked)
    check_range(owner, form, many, outcome)
    cutter = replace(_cutter(spec), counts=outcome.counts, flagged=flagged(many))
    parts = _split(spec, cutter, many, form)
    trained = [n or len(series) for series, (n, *_) in zip(many, parts, strict=True)]
    rows = [series.rows(0, n) for series, n in zip(many, trained, strict=True)]
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
    pairs = list(zip(many, parts, strict=True))
    data = cutter.training([series.rows(0, n) for series, (n, *_) in pairs])
    if len(data[0]) == 0:
        raise ValueError(
            f"{owner}: y has no observed value to learn from, expected some after the first"
        )
    held = None
    if spec.early_stopping:
        ends = [series.rows(n, n + m) for series, (n, m, _) in pairs if m]
        short = min(cutter.lookback, min(map(len, ends)) - cutter.steps)
        held = cutter.training(ends, short)
    outputs = outcome.outputs * cutter.steps * widths[0]
    network = build_network(spec, data[0].shape[-1], outputs, pooling=None, seed=seed)
    tails = [series.last(cutter.lookback) for series in many]
    fitted = Fitted(owner, form, widths, cutter, asked, outcome, scales, network, tails, gone)
    fitted.changes = changes
    fitted.train(spec, data, held, spec.epochs, seed)
    fitted.residuals = fitted.errors(many, [last for _, _, last in parts])
    return fitted


def _split(spec: Any, cutter: Cutter, many: list[Series], form: Form) -> list[tuple[int, int, int]]:
    """For each series, how many steps to train on, to stop early by, to calibrate on.


    A series too short for all of that is trained on alone. One too short for that too, too, is left
    out, with a warning that names it; ValueError if all are."""
    owner = type(spec).__name__
    calibration = check_probability(owner, "calibration", spec.calibration)
    share = check_share(spec)
    held = share if spec.early_stopping else 0.0
    parts = []
    for series in many:
        T = len(series)
        last, middle = round(calibration * T), round(held * T)
        middle = middle if middle > cutter.steps else 0
        first = T - last - middle
        if first < cutter.least:
            first, middle, last = (T, 0, 0) if cutter.least <= T else (0, 0, 0)
        parts.append((first, middle, last))
    tell_left_out(owner, cutter, form, [len(s) for s in many], [n for n, _, _ in parts])
    if held and not any(middle for _, middle, _ in parts):
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


def _cutter(spec: Any) -> Cutter:
    """How windows are cut."""
    owner = type(spec).__name__
    horizon = check_size(owner, "horizon", spec.horizon)
    direct = check_choice(owner, "strategy", spec.strategy, ("direct", "recursive")) == "direct"
    lookback = max(8, 3 * horizon) if spec.lookback is None else spec.lookback
    lookback = check_size(owner, "lookback", lookback)
    if spec.relative and lookback == 1:
        raise ValueError(
            f"{owner}: lookback is 1, expected at least 2 with relative=True: changes from the "
            "first value of a window are all that is read, and one step has none; "
            "relative=False reads the values themselves"
        )
    return Cutter(lookback=lookback, horizon=horizon, direct=direct, relative=spec.relative)


def _quantiles(spec: Any) -> tuple[float, ...]:
    """The quantiles that were asked for, ascending."""
    if spec.quantiles is None:
        return ()
    if spec.strategy == "recursive":
        raise ValueError(
            f"{type(spec).__name__}: quantiles need strategy='direct': what is fed back is one "
            "number, without the spread of the steps before; intervals need none, and with a "
            "likelihood predict_quantiles(levels=...) makes them of paths"
        )
    with naming(type(spec).__name__, "quantiles"):
        return tuple(sorted(set(Quantile(spec.quantiles).levels)))
