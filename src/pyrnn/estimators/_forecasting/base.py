"""ForecasterBase: what forecasts, evaluation and learning of a forecaster share."""

from typing import Any, ClassVar

import numpy as np

from ..._base.checks import Array, check_size
from ...layers._sequential import Sequential
from ...training._history import History
from .._estimator import Estimator
from .calendar import check_calendar
from .fitted import Fitted
from .form import Form, Options
from .gaps import PARTS, check_observed, tell_unflagged
from .outcomes import check_range
from .reading import Reader
from .roles import read_roles
from .series import Series
from .statics import check_as_in_fit


class ForecasterBase(Estimator):
    """What has been learnt, and how the user's series are read."""

    _fitted: Fitted
    _kinds: ClassVar[dict[str, Any]] = Estimator._kinds | {
        "_fitted": Fitted,
        "seed_": int,
        "fit_params_": dict[str, Any],
    }

    @property
    def network_(self) -> Sequential:
        """The network; only of a fitted forecaster."""
        return self._fitted.network

    @property
    def history_(self) -> History:
        """The losses of the last training; only of a fitted forecaster."""
        return self._fitted.history

    @property
    def missing_(self) -> dict[str, Any]:
        """The shares of missing values; only of a fitted forecaster."""
        fitted = self._fitted
        return {
            part: fitted.form.pack_each(gone.tolist())
            for part, gone, width in zip(PARTS, fitted.missing.T, fitted.widths, strict=True)
            if width
        }

    @property
    def _owner(self) -> str:
        """How messages begin."""
        return type(self).__name__

    def _read_first(
        self, y: Any, past: Any, future: Any, static: Any = None, **columns: Any
    ) -> tuple[list[Series], Form]:
        """Series as the parameters say, with covariates, and their form; see Forecaster.fit."""
        spec: Any = self  # which has the parameters
        freq = getattr(spec.freq, "freqstr", spec.freq)  # of an offset of pandas
        calendar = check_calendar(self._owner, spec.calendar)
        options = Options(spec.joint, freq, spec.fill_gaps, calendar)
        covariates = {"past": past, "future": future, "static": static}
        roles, values = read_roles(self._owner, columns, covariates)
        return Reader(self._owner, options).read(y, **values, roles=roles)

    def _read(
        self, y: Any, past: Any, future: Any, static: Any = None, **reach: Any
    ) -> tuple[list[Series], Form]:
        """Series like those of the fit, or others, with covariates that `reach` as far as
        Reader.read has it, and their form."""
        fitted = self._fitted.form
        reader = Reader(self._owner, fitted.options, fitted)
        many, form = reader.read(y, past, future, static, **reach)
        self._check_axes("y", form, many[0].y.shape[1])
        check_range(self._owner, form, many, self._fitted.outcome)
        for i, k in enumerate(form.positions_in(self._fitted.form)):
            if k is None:
                check_observed(f"{self._owner}: {form.name('y', i)}", many[i].y)
        tell_unflagged(self._owner, form, many, self._fitted.cutter.flagged)
        return many, form

    def _continued(
        self, y: Any, past: Any, future: Any, static: Any = None
    ) -> tuple[Fitted, list[Series], Form]:
        """The steps y that have come since: the fitted network for its series, which are those of
        the fit and perhaps new ones; each scaled, from its last steps on to those of y; and the
        form of y."""
        new, form = self._read(y, past, future, static, follows=True)
        own, count = form.positions_in(self._fitted.form), len(self._fitted.form.keys)
        if own[:count] != list(range(count)):
            self._check_same("y", form)
        self._check_follows(form)
        check_as_in_fit(self._owner, form, self._fitted.form)
        fitted = self._fitted.on(form, new, own)
        return fitted, [fitted.continued(i, series) for i, series in enumerate(new)], form

    def _coming(
        self, form: Form, past: Any, future: Any, *, past_steps: int, future_steps: int
    ) -> list[Series]:
        """The covariates of the steps after the last known ones of a form, without y: of so many
        steps each; zeros for a past that is None."""
        reader, D = Reader(self._owner, form.options, self._fitted.form), self._fitted.widths[0]
        coming = reader.coming(form, past, future, past_steps, future_steps)
        many = [Series(np.zeros((0, D)), *parts) for parts in coming]
        tell_unflagged(self._owner, form, many, self._fitted.cutter.flagged)
        return many

    def _read_alone(self, argument: str, y: Any) -> tuple[list[Array], Form]:
        """Series like those of the fit, without covariates."""
        fitted = self._fitted.form
        ys, form = Reader(self._owner, fitted.options, fitted).alone(argument, y, fitted)
        self._check_axes(argument, form, ys[0].shape[1])
        self._check_same(argument, form)
        return ys, form

    def _check_axes(self, argument: str, form: Form, D: int) -> None:
        """ValueError for series of other axes or columns than those of the fit."""
        name, fitted = f"{self._owner}: {argument}", self._fitted.form
        if form.flat != fitted.flat:
            came, wanted = (_axes(one) for one in (form, fitted))
            raise ValueError(f"{name} is of shape {came}, expected {wanted} as in fit")
        if self._fitted.widths[0] != D:
            raise ValueError(f"{name} has {D} columns, expected {self._fitted.widths[0]} as in fit")

    def _check_same(self, argument: str, form: Form) -> None:
        """ValueError for other series than those of the fit."""
        fitted = self._fitted.form
        if (form.kind, form.keys) != (fitted.kind, fitted.keys):
            raise ValueError(
                f"{self._owner}: {argument} has other series than in fit: {form.kind} "
                f"{list(form.keys)}, expected {fitted.kind} {list(fitted.keys)}"
            )

    def _check_follows(self, form: Form, argument: str = "y") -> None:
        """ValueError unless series begin at the step after those that are known."""
        known = self._fitted.form
        if known.clock is None:
            return
        for i, start in enumerate(form.starts[: len(known.keys)]):
            if start != known.next_step(i):
                began, expected = map(known.clock.show, (start, known.next_step(i)))
                raise ValueError(
                    f"{self._owner}: {form.name(argument, i)} begins at {began}, expected "
                    f"{expected}, the step after the last one known"
                )

    def _horizon(self, horizon: int | None) -> int:
        """The number of steps to forecast."""
        cutter = self._fitted.cutter
        fitted = cutter.horizon
        h = check_size(self._owner, "horizon", fitted if horizon is None else horizon)
        if h > fitted and cutter.direct:
            raise ValueError(
                f"{self._owner}: horizon is {h}, expected at most {fitted}, the one "
                "fitted; strategy='recursive' goes further"
            )
        return h


def _axes(form: Form) -> str:
    """The shape of a series, for a message."""
    return "(steps,)" if form.flat else "(steps, columns)"
