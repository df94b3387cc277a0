"""ForecasterBase: what forecasts, evaluation and learning of a forecaster share."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ..._base.checks import check_size
from ...layers._sequential import Sequential
from ...training._history import History
from .._estimator import Estimator
from .fitted import Fitted
from .form import Form, form_of
from .labels import read_labels
from .outcomes import check_range
from .series import Series, read_covariates, read_series


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
    def _owner(self) -> str:
        """How messages begin."""
        return type(self).__name__

    def _read(self, y: Any, past: Any, future: Any, *, like_fit: bool) -> tuple[list[Series], Form]:
        """Series and covariates of the user, and their form; with `like_fit`, those of the fit."""
        form = form_of(self._owner, y)
        if not like_fit:
            many = read_series(self._owner, y, past, future, form)
            return many, self._ended(form, many, y, past, future)
        fitted = self._fitted.form
        if form.kind == fitted.kind == "dict" and set(form.keys) == set(fitted.keys):
            form = replace(form, keys=fitted.keys)  # in another order they are the same series
        if form.flat != fitted.flat:
            came, expected = (_axes(one) for one in (form, fitted))
            raise ValueError(f"{self._owner}: y is of shape {came}, expected {expected} as in fit")
        if (form.kind, form.keys) != (fitted.kind, fitted.keys):
            raise ValueError(
                f"{self._owner}: y has other series than in fit: {form.kind} {list(form.keys)}, "
                f"expected {fitted.kind} {list(fitted.keys)}"
            )
        many = read_series(self._owner, y, past, future, form, widths=self._fitted.widths)
        check_range(self._owner, form, many, self._fitted.outcome)
        form = self._ended(form, many, y, past, future)
        for i, (known, own) in enumerate(zip(fitted.labels, form.labels, strict=True)):
            for argument in own:
                name = f"{self._owner}: {form.name(argument, i)}"
                own[argument].check_columns(name, known[argument], "in fit")
        return many, form

    def _ended(self, form: Form, many: list[Series], y: Any, past: Any, future: Any) -> Form:
        """A form of series that have been read."""
        labels = read_labels(self._owner, form, y=y, past=past, future=future)
        return replace(form, ends=tuple(map(len, many)), labels=tuple(labels))

    def _continued(self, y: Any, past: Any, future: Any) -> tuple[list[Series], Form]:
        """The fitted series, scaled, from their last steps on to those y that have come since; and
        the form of y."""
        fitted = self._fitted
        new, form = self._read(y, past, future, like_fit=True)
        for i, (known, coming) in enumerate(zip(fitted.form.labels, form.labels, strict=True)):
            coming["y"].check_follows(f"{self._owner}: {form.name('y', i)}", known["y"])
        pairs = enumerate(zip(fitted.tails, new, strict=True))
        return [tail.followed_by(fitted.scaled(i, series)) for i, (tail, series) in pairs], form

    def _coming(
        self, form: Form, past: Any, future: Any, *, past_steps: int, future_steps: int
    ) -> list[Series]:
        """The covariates of the steps after the last known ones of a form, without y: of so many
        steps each; zeros for a past that is None."""
        owner, (D, P, K) = self._owner, self._fitted.widths
        lengths, ahead = [[steps] * len(form.keys) for steps in (past_steps, future_steps)]
        pasts = [np.zeros((future_steps, P))] * len(form.keys)
        if past is not None:
            pasts = read_covariates(owner, "past", past, form, lengths, width=P)
        futures = read_covariates(owner, "future", future, form, ahead, width=K)
        labels = read_labels(owner, form, past=past, future=future)
        for i, (before, rows) in enumerate(zip(form.labels, labels, strict=True)):
            for argument, own in rows.items():
                name = f"{owner}: {form.name(argument, i)}"
                own.check_columns(name, before[argument], "in fit")
                own.check_follows(name, before["y"])
        return [Series(np.zeros((0, D)), *parts) for parts in zip(pasts, futures, strict=True)]

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
