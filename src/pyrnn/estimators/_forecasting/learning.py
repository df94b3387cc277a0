"""Learning: scales, network and errors, made of series as a forecaster's parameters say."""

from dataclasses import replace
from typing import Any

from ...layers._sequential import Sequential
from .._network import build_network, read_loss
from .division import divided
from .fitted import Fitted
from .form import Form
from .gaps import read_filler, shares
from .measures import naive_scale
from .outcomes import check_range
from .plan import Plan, epochs_of, planned
from .refitting import refitted
from .scales import scales_of
from .series import Series
from .skip import Skip
from .transform import Transform, read_transform


def learn(spec: Any, many: list[Series], form: Form, seed: int) -> Fitted:
    """Scales, network and errors, of series that have been read; `spec` is the forecaster, whose
    parameters say how."""
    owner, transform, refit = type(spec).__name__, read_transform(spec), spec.refit
    read_loss(spec)  # which the outcome may not need
    plan = planned(spec, many, form, transform)
    cutter, outcome = plan.cutter, plan.outcome
    check_range(owner, form, many, outcome)
    longest = max(map(len, many))
    if cutter.least <= longest <= cutter.steps:
        raise ValueError(
            f"{owner}: horizon is {cutter.horizon}, expected less than {longest}, the steps of the "
            "longest series: nothing teaches those beyond; strategy='recursive' goes further"
        )
    divisions = divided(spec, cutter, many, form)
    scales = scales_of(
        owner,
        spec.scale,
        read_filler(owner, spec.missing),
        Transform(log=True, positive=True) if outcome.counts else transform,
        [form.name("y", i) for i in range(len(many))],
        [own.known(series) for own, series in zip(divisions, many, strict=True)],
    )
    gone, changes = shares(many), [naive_scale(series.y, 1) for series in many]
    many = [scales.apply(i, series) for i, series in enumerate(many)]
    pairs = list(zip(divisions, many, strict=True))
    learnt = [own.trained(series) for own, series in pairs]
    data = cutter.training(learnt)
    if len(data[0]) == 0:
        raise ValueError(
            f"{owner}: y has no observed value to learn from, expected some after the first"
        )
    held = [end for own, series in pairs if len(end := own.held(series, cutter))]
    network, skip = _network(spec, plan, learnt, held, seed)
    tails = [series.last(cutter.lookback) for series in many]
    fitted = Fitted(owner, form, cutter, plan.asked, outcome, scales, network, tails, gone)
    fitted.changes, fitted.rates = changes, {} if skip is None else skip.rates
    ends = replace(cutter, burn=cutter.lookback - 1).training(held, once=True) if held else None
    ends = None if ends is None or len(ends[0]) == 0 else ends
    best = fitted.train(spec, data, ends, epochs_of(spec, len(data[0])), seed)
    del data, ends  # which are large
    origins = [own.origins(series, cutter.horizon) for own, series in pairs]
    if refit and skip is not None and skip.is_least_squares:
        fitted.residuals = refitted(fitted, skip, many, origins)
        return fitted
    fitted.residuals = fitted.errors_of(many, origins)
    if refit and list(map(len, learnt)) != list(map(len, many)):
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
