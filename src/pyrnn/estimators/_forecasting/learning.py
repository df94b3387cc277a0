"""Learning: scales, network and errors, made of series as a forecaster's parameters say."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..._base.checks import Array, check_choice, check_probability, check_size
from ...losses import Quantile
from .._naming import naming
from .._network import build_network, check_share
from .._scaling import Scaling, identity, robust, standard
from .fitted import Fitted, Scales
from .form import Form
from .measures import naive_scale
from .outcomes import check_range, read_outcome
from .series import Series
from .transform import Transform, read_transform
from .windows import Cutter

SCALINGS = {"standard": standard, "robust": robust}


def learn(spec: Any, many: list[Series], form: Form, seed: int) -> Fitted:
    """Scales, network and errors, of series that have been read; `spec` is the forecaster, whose
    parameters say how."""
    owner = type(spec).__name__
    asked, transform = _quantiles(spec), read_transform(spec)
    outcome = read_outcome(spec, transform, asked)
    check_range(owner, form, many, outcome)
    cutter = replace(_cutter(spec), counts=outcome.counts)
    trained, held_out, calibrated = _split(spec, cutter, many, form)
    reads = Transform(log=True, positive=True) if outcome.counts else transform
    scales = _scales(spec, [s.rows(0, n) for s, n in zip(many, trained, strict=True)], form, reads)
    widths = tuple(part.shape[1] for part in many[0].parts())
    changes = [naive_scale(series.y, 1) for series in many]
    many = [scales.apply(i, series) for i, series in enumerate(many)]
    data = cutter.training([s.rows(0, n) for s, n in zip(many, trained, strict=True)])
    held = None
    if spec.early_stopping:
        ends = zip(many, trained, held_out, strict=True)
        short = min(cutter.lookback, min(held_out) - cutter.steps)
        held = cutter.training([s.rows(n, n + m) for s, n, m in ends], short)
    outputs = outcome.outputs * cutter.steps * widths[0]
    network = build_network(spec, data[0].shape[-1], outputs, pooling=None, seed=seed)
    tails = [series.last(cutter.lookback) for series in many]
    fitted = Fitted(owner, form, widths, cutter, asked, outcome, scales, network, tails)
    fitted.changes = changes
    fitted.train(spec, data, held, spec.epochs, seed)
    fitted.residuals = fitted.errors(many, calibrated)
    return fitted


def _scales(spec: Any, trained: list[Series], form: Form, transform: Transform) -> Scales:
    """The scales of the steps that are trained on."""
    ys = [transform.forth(series.y) for series in trained]
    return Scales(
        [_scale_of(spec, form.name("y", i), y) for i, y in enumerate(ys)],
        _scale_of(spec, "past", np.concatenate([series.past for series in trained])),
        _scale_of(spec, "future", np.concatenate([series.future for series in trained])),
        transform,
    )


def _scale_of(spec: Any, name: str, rows: Array) -> Scaling:
    """The scale of rows (N, F)."""
    if spec.scale is None or rows.shape[1] == 0:
        return identity(rows.shape[1])
    owner = type(spec).__name__
    scaling = SCALINGS[check_choice(owner, "scale", spec.scale, tuple(SCALINGS))]
    return scaling(f"{owner}: {name}", rows)


def _split(
    spec: Any, cutter: Cutter, many: list[Series], form: Form
) -> tuple[list[int], list[int], list[int]]:
    """For each series, how many steps to train on, to stop early by, to calibrate on."""
    owner = type(spec).__name__
    calibration = check_probability(owner, "calibration", spec.calibration)
    share = check_share(spec)
    held = share if spec.early_stopping else 0.0
    parts = []
    for i, series in enumerate(many):
        T = len(series)
        last, middle = round(calibration * T), round(held * T)
        first, least = T - last - middle, cutter.least
        if first < least:
            raise ValueError(
                f"{owner}: {form.name('y', i)} has {T} steps, of which {first} are "
                f"left to train on, expected at least {least} = lookback + "
                f"{'horizon' if cutter.direct else '1, the next step'}"
            )
        if held and middle <= cutter.steps:
            raise ValueError(
                f"{owner}: validation_fraction is {held}, which holds out {middle} of "
                f"{T} steps, expected more than {cutter.steps}"
            )
        parts.append((first, middle, last))
    trained, held_out, calibrated = zip(*parts, strict=True)
    return list(trained), list(held_out), list(calibrated)


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
