"""Plan: what a forecaster's parameters say, and what it chooses from its data where they do not."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..._base.checks import check_choice, check_flag, check_size
from ...losses import Quantile
from .._naming import naming
from .form import Form
from .gaps import flagged
from .level import keep_level
from .outcomes import Outcome, read_outcome
from .season import season_of
from .series import Series
from .transform import Transform
from .windows import Cutter

LONGEST = 192  # lookback that is chosen
UPDATES = 1000  # of the weights, if nothing ends them earlier


@dataclass(frozen=True)
class Plan:
    """How series are cut and learnt."""

    season: int
    cutter: Cutter
    asked: tuple[float, ...]  # the quantiles that were asked for
    outcome: Outcome
    hidden_size: int
    skip: bool


def planned(spec: Any, many: list[Series], form: Form, transform: Transform) -> Plan:
    """The plan for series that have been read."""
    owner = type(spec).__name__
    lengths = [len(series) for series in many]
    if spec.season is None:
        calendar = () if form.clock is None else form.clock.frequency.seasons()
        season = season_of([series.y for series in many], calendar)
    else:
        season = check_size(owner, "season", spec.season)
    size = spec.hidden_size
    if size is None:  # a power of two, about a quarter of the root of all steps
        size = int(np.clip(2 ** round(np.log2(np.sqrt(sum(lengths)) / 4)), 16, 64))
    skip = check_flag(owner, "skip", spec.skip)
    asked = _quantiles(spec)
    outcome = read_outcome(spec, transform, asked)
    cutter = _cutter(spec, season, lengths, skip)
    relative = _relative(spec, cutter, skip, many, season)
    cutter = replace(cutter, relative=relative, counts=outcome.counts, flagged=flagged(many))
    return Plan(season, cutter, asked, outcome, check_size(owner, "hidden_size", size), skip)


def epochs_of(spec: Any, windows: int) -> int:
    """The epochs for that many windows: as many as make `UPDATES` updates, 3 to 100."""
    owner = type(spec).__name__
    if spec.epochs is not None:
        return check_size(owner, "epochs", spec.epochs)
    batches = -(-windows // check_size(owner, "batch_size", spec.batch_size))
    return int(np.clip(round(UPDATES / max(batches, 1)), 3, 100))


def _cutter(spec: Any, season: int, lengths: list[int], skip: bool) -> Cutter:
    """How windows are cut."""
    owner = type(spec).__name__
    horizon = check_size(owner, "horizon", spec.horizon)
    direct = check_choice(owner, "strategy", spec.strategy, ("direct", "recursive")) == "direct"
    steps = horizon if direct else 1
    lookback = spec.lookback
    if lookback is None:
        lookback = _lookback(round(np.median(lengths) * (1 - spec.calibration)), season, steps)
    lookback = check_size(owner, "lookback", lookback)
    burn = lookback - 1 if skip else 0
    return Cutter(lookback=lookback, horizon=horizon, direct=direct, relative=False, burn=burn)


def _relative(spec: Any, cutter: Cutter, skip: bool, many: list[Series], season: int) -> bool:
    """Whether changes are read and predicted. A linear part knows the level from them all the same:
    its weights are of any season."""
    owner = type(spec).__name__
    if spec.relative is None:
        return cutter.lookback > 1 and (skip or not keep_level(many, season, cutter.horizon))
    relative = check_flag(owner, "relative", spec.relative)
    if relative and cutter.lookback == 1:
        raise ValueError(
            f"{owner}: lookback is 1, expected at least 2 with relative=True: changes from the "
            "first value of a window are all that is read, and one step has none; "
            "relative=False reads the values themselves"
        )
    return relative


def _lookback(learnt: int, season: int, steps: int) -> int:
    """A tenth of what is learnt of the median series, but all of a season and no more than
    `LONGEST` without need; where that is too much, half of what the steps ahead leave."""
    wanted = max(8, season + 1, min(learnt // 10, LONGEST))
    left = learnt - steps
    return max(2, min(wanted, max(left // 2, min(season + 1, left - 4))))


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
