"""Selection: which parameters forecast best."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import Array, check_size
from .evaluation import Evaluation
from .fitted import Fitted
from .form import Form
from .learning import learn
from .samplers import make_sampler
from .search import ForecasterSearch, best_of, run_trials, trials_table
from .series import Series
from .space import read_space
from .splitter import RollingOrigins, check_one_series


class Selection(Evaluation):
    """Scores for scikit-learn, and a search of its own."""

    def score(self, y: Any, past: Any = None, future: Any = None) -> float:
        """Minus the MASE of forecasts of the steps y that follow those known: for scikit-learn,
        greater is better.

        The forecasts are from the last step known and from each of y that has the horizon, or all
        of y if it is shorter, before it. MASE is their mean error in units of the mean change from
        step to step in what was fitted. GridSearchCV and cross_val_score fit to what comes before
        a test part and score on that, if `cv` is RollingOrigins or TimeSeriesSplit; dates tell
        splits that do not follow each other, arrays cannot; `scoring` stays None. TypeError for a
        list or dict of series, which scikit-learn would split by series: `search` takes these.
        """
        check_is_fitted(self, "network_")
        check_one_series(f"{self._owner}.score", "y", y)
        try:
            fitted, many, _ = self._continued(y, past, future)
        except ValueError as error:
            error.add_note(SPLITS)
            raise
        errors = []
        for i, (tail, series) in enumerate(zip(fitted.tails, many, strict=True)):
            new = len(series) - len(tail)
            horizon = min(fitted.cutter.horizon, new)
            reach = fitted.cutter.steps if fitted.widths[2] else horizon
            if new < reach:
                raise ValueError(
                    f"{self._owner}: y has {new} steps, expected at least {reach}, as many as "
                    "future is known for"
                )
            origins = np.arange(len(tail), len(series) - reach + 1)
            errors.append(_relative_errors(fitted, i, series, origins, horizon))
        return -_mean(errors)

    def search(
        self,
        space: Any,
        y: Any,
        past: Any = None,
        future: Any = None,
        *,
        n_trials: int = 20,
        n_splits: int = 3,
        stride: int | None = None,
        **columns: Any,
    ) -> ForecasterSearch:
        """Tries parameters on the series y, and fits the best to all of it.

        `space` is a dict from parameters to what is tried: a list of values, a range (low, high) of
        integers or floats, or a distribution of scipy.stats, such as loguniform(1e-4, 1e-2). The
        other parameters are this forecaster's, which stays as it is. Each trial is fitted to what
        each series has before its last `n_splits` origins, `stride` steps (the horizon, if None)
        apart, and judged by MASE, in units of the mean change in what was fitted, of the `horizon`
        steps that follow each origin. A trial whose mean so far is above the median of the others'
        is broken off. Optuna chooses the trials if it is installed, else they are random;
        `random_state` decides both.

        `columns` are `static`, `id`, `time` and `target` of `fit`, which tables need. What fails is
        told in the table of trials and by a warning. TypeError or ValueError for a
        space or series that do not fit, and if all trials fail.
        """
        owner = f"{self._owner}.search"
        names = [name for name in self.get_params(deep=False) if name not in UNSEARCHED]
        sampled = read_space(owner, space, names)
        horizon = check_size(owner, "horizon", self.horizon)
        check_size(owner, "n_trials", n_trials)
        splits = RollingOrigins(
            horizon,
            check_size(owner, "n_splits", n_splits),
            None if stride is None else check_size(owner, "stride", stride),
        )
        many, form = self._begin(keep=False)._read_first(y, past, future, **columns)
        origins = [splits.origins(len(series)) for series in many]
        for i, (series, some) in enumerate(zip(many, origins, strict=True)):
            if some[0] < 2:
                raise ValueError(
                    f"{owner}: {form.name('y', i)} has {len(series)} steps, expected at least "
                    f"{2 + len(series) - some[0]} = 2 + horizon + (n_splits - 1) * stride"
                )
        seed = self._seed()

        def errors_of(params: dict[str, Any]) -> Iterator[float]:
            spec = clone(self).set_params(**params)._begin(keep=False)
            for known in zip(*origins, strict=True):
                yield _error_after(spec, many, form, known, horizon, seed)

        sampler = make_sampler(sampled, seed)
        attempts = run_trials(sampler, errors_of, n_trials)
        best = best_of(owner, attempts)
        found = clone(self).set_params(**best.params).fit(y, past, future, **columns)
        return ForecasterSearch(
            best.params, -best.error, found, trials_table(attempts), sampler.name
        )


SPLITS = (
    "score is of the steps that follow those of the fit: RollingOrigins splits so for "
    "scikit-learn, Forecaster.search by itself"
)
READING = ("calendar", "freq", "fill_gaps", "joint")  # series are read once for all trials
UNSEARCHED = ("horizon", "random_state", "verbose", *READING)  # nor do other horizons compare


def _error_after(
    spec: Any, many: list[Series], form: Form, known: tuple[int, ...], horizon: int, seed: int
) -> float:
    """The MASE of forecasts that are learnt from so many steps of each series."""
    fitted = learn(spec, [s.rows(0, n) for s, n in zip(many, known, strict=True)], form, seed)
    errors = [
        _relative_errors(fitted, i, fitted.scaled(i, series), np.array([n]), horizon)
        for i, (series, n) in enumerate(zip(many, known, strict=True))
    ]
    return _mean(errors)


def _relative_errors(fitted: Fitted, i: int, series: Series, origins: Array, horizon: int) -> Array:
    """(N, horizon, D): in units of the mean change of the series that were fitted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes: Array = fitted.sizes(i, series, origins, horizon) / fitted.changes[i]
    return sizes


def _mean(errors: list[Array]) -> float:
    """Of those that are known."""
    every = np.concatenate([some.ravel() for some in errors])
    return float(every[~np.isnan(every)].mean()) if (~np.isnan(every)).any() else np.nan
