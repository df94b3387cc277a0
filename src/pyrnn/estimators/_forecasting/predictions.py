"""Predictions: forecasts, quantiles and intervals of a fitted forecaster."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import Array, check_choice, check_size
from .._naming import naming
from .base import ForecasterBase
from .conformal import check_level, read_levels, source_of
from .errors import Errors
from .fitted import Fitted
from .outcomes import Likelihood
from .series import Series

PATHS = 1000  # from which quantiles are taken where steps follow from one another


@dataclass(frozen=True)
class Ahead:
    """Series as the network reads them, with the covariates of the steps to forecast."""

    fitted: Fitted  # for these series
    horizon: int
    known: list[Series]
    hold_past: bool

    def numbers(self) -> list[Array]:
        """(horizon, D, K) for each series: the numbers of the outcome."""
        origins = [np.array([len(known)]) for known in self.known]
        every = self.fitted.ahead_of(self.known, origins, self.horizon, hold_past=self.hold_past)
        return [numbers[0] for numbers in every]

    def paths(self, n: int, seed: int) -> list[Array]:
        """(n, horizon, D) for each series."""
        fitted, h = self.fitted, self.horizon
        draws = [np.random.default_rng([seed, i]) for i in range(len(self.known))]
        if isinstance(fitted.outcome, Likelihood) and h > fitted.cutter.steps:
            return [
                fitted.drawn_paths(i, known, h, rng, n, self.hold_past)
                for i, (known, rng) in enumerate(zip(self.known, draws, strict=True))
            ]
        errors, pairs = Errors(fitted), zip(self.numbers(), draws, strict=True)
        return [errors.paths(i, ahead, rng, n) for i, (ahead, rng) in enumerate(pairs)]


class Predictions(ForecasterBase):
    """Forecasts of the steps that follow those known."""

    def predict(
        self,
        horizon: int | None = None,
        *,
        y: Any = None,
        past: Any = None,
        future: Any = None,
        static: Any = None,
    ) -> Any:
        """The next steps of each series: (horizon,), or (horizon, D), in the form of y.

        `horizon` may be less than the fitted one, or with strategy="recursive" more. `future` has
        the known covariates of these steps, with "direct" of all fitted ones; None: those of a
        table with dates that `fit` or `update` was given and that went on so far. `past`, with
        "recursive", has what the past ones are thought to become.

        With y, one series or many in any form and of any length, it forecasts the steps after these
        series with the fitted network; each series has its own scale. `past` covers the steps of y,
        and with "recursive" it may reach to the last forecast step. `future` covers y and the
        forecast steps. `static` describes these series; those named in the fit need none. The
        forecaster does not change.
        """
        ahead = self._ahead(horizon, y, past, future, static)
        fitted = ahead.fitted
        return fitted.form.pack([fitted.middle_of(numbers) for numbers in ahead.numbers()])

    def predict_quantiles(
        self,
        horizon: int | None = None,
        *,
        levels: Any = None,
        y: Any = None,
        past: Any = None,
        future: Any = None,
        static: Any = None,
    ) -> Any:
        """Quantiles of the next steps, ascending: (horizon, Q) or (horizon, D, Q).

        `levels` are the `quantiles` of the fit or some of them; with a likelihood any, its
        quantiles, or with strategy="recursive" those of 1,000 paths that `sample` draws.
        """
        check_is_fitted(self, "network_")
        wanted = self._wanted(levels)
        ahead = self._ahead(horizon, y, past, future, static)
        return ahead.fitted.form.pack(self._quantiles(wanted, ahead), last=wanted)

    def sample(
        self,
        n: int = 100,
        horizon: int | None = None,
        *,
        y: Any = None,
        past: Any = None,
        future: Any = None,
        static: Any = None,
        random_state: Any = None,
    ) -> Any:
        """n paths that the next steps of each series may take: (n, horizon), or (n, horizon, D).

        With a likelihood and strategy="recursive" each step is drawn and then read, as any that has
        come. With "direct" each step has the likelihood's distribution, and the steps and columns
        of a path go together as the ranks of the errors from one origin of the calibration did (the
        Schaake shuffle, Clark et al. 2004); without a calibration each is drawn by itself. Without
        a likelihood a path is the forecast and all errors from one such origin. A series with fewer
        than 30 origins takes those of all series, in units of the largest error of each.

        The same call gives the same paths; another `random_state`, an int, or a RandomState that
        goes on, gives others. ValueError where errors are needed and there are none,
        or the horizon is beyond the fitted one.
        """
        check_is_fitted(self, "network_")
        count = check_size(self._owner, "n", n)
        seed = self.seed_ if random_state is None else self._seed_of(random_state)
        ahead = self._ahead(horizon, y, past, future, static)
        return ahead.fitted.form.pack_paths(ahead.paths(count, seed))

    def interval(
        self,
        level: Any = 0.9,
        horizon: int | None = None,
        *,
        method: str = "conformal",
        y: Any = None,
        past: Any = None,
        future: Any = None,
        static: Any = None,
    ) -> Any:
        """Lower and upper end (horizon, 2), or (horizon, D, 2), of intervals that hold what comes
        with probability `level`, for each step by itself; of L levels (horizon, L, 2), or
        (horizon, D, L, 2).

        Split conformal prediction: as far on both sides of the forecast as that share of the
        series' errors in its calibration reached, at the same step ahead; after a transform, in its
        units, and with a likelihood in units of its deviation at that step. A series with too few
        for the level takes the errors of all, each in units of the largest of its own series;
        `interval_source` says which. One without two errors of its own, such as each that is given
        as y, takes those of all in units of the scales of their series. ValueError if these are too
        few, too, and for a horizon beyond the fitted one.

        `method="likelihood"`: between the likelihood's quantiles (1 - level) / 2 and
        (1 + level) / 2, which hold no more than the likelihood does, and need no calibration.
        """
        check_is_fitted(self, "network_")
        levels, sides = read_levels(self._owner, level), ("lower", "upper")
        check_choice(self._owner, "method", method, ("conformal", "likelihood"))
        ahead = self._ahead(horizon, y, past, future, static)
        make = _conformal if method == "conformal" else self._likely
        ends = make(levels, ahead)
        form = ahead.fitted.form
        if np.ndim(level) == 0:
            return form.pack([every[..., 0, :] for every in ends], last=sides)
        return form.pack(ends, last=[(one, side) for one in levels for side in sides])

    def interval_source(self, level: float = 0.9) -> Any:
        """Whose errors make the intervals of a level, for each series: "own" where its calibration
        has enough, else "pooled", those of all series."""
        check_is_fitted(self, "network_")
        number = check_level(self._owner, level)
        sources = [source_of(own, number) for own in self._fitted.scores]
        return self._fitted.form.pack_each(sources)

    def _likely(self, levels: tuple[float, ...], ahead: Ahead) -> list[Array]:
        """(horizon, D, L, 2) for each series, between the likelihood's quantiles."""
        if not isinstance(self._fitted.outcome, Likelihood):
            raise ValueError(
                f"{self._owner}: method is 'likelihood', expected 'conformal' with likelihood=None "
                "in fit"
            )
        sides = [(1 + sign * level) / 2 for level in levels for sign in (-1, 1)]
        every = self._quantiles(tuple(sides), ahead)
        return [quantiles.reshape(*quantiles.shape[:-1], -1, 2) for quantiles in every]

    def _wanted(self, levels: Any) -> tuple[float, ...]:
        """The levels of quantiles, ascending, which the fitted network has."""
        fitted = self._fitted
        any_level = isinstance(fitted.outcome, Likelihood)
        if levels is None:
            if fitted.asked:
                return fitted.asked
            came = "quantiles was None in fit" + ", and levels is None" * any_level
            raise ValueError(f"{self._owner}: {came}, expected levels")
        wanted = tuple(sorted(set(read_levels(self._owner, levels, "levels"))))
        if not any_level and not set(wanted) <= set(fitted.asked):
            raise ValueError(
                f"{self._owner}: levels are {wanted}, expected some of {fitted.asked}, the "
                "quantiles of the fit; a likelihood has any"
            )
        return wanted

    def _quantiles(self, levels: tuple[float, ...], ahead: Ahead) -> list[Array]:
        """(horizon, D, Q) for each series."""
        fitted = ahead.fitted
        if isinstance(fitted.outcome, Likelihood) and not fitted.cutter.direct:
            every = ahead.paths(PATHS, self.seed_)
            return [np.moveaxis(np.quantile(paths, levels, axis=0), 0, -1) for paths in every]
        return [fitted.quantiles_of(numbers, levels) for numbers in ahead.numbers()]

    def _ahead(
        self, horizon: int | None, y: Any, past: Any, future: Any, static: Any = None
    ) -> Ahead:
        """What is to be forecast."""
        check_is_fitted(self, "network_")
        h, fitted = self._horizon(horizon), self._fitted
        direct, reach = fitted.cutter.direct, max(h, fitted.cutter.steps)
        if y is not None:
            further = 0 if direct else h
            many, form = self._read(y, past, future, static, ahead=reach, past_ahead=further)
            fitted = fitted.on(form, many, [None] * len(many))
            known = [fitted.scaled(i, series) for i, series in enumerate(many)]
            return Ahead(fitted, h, known, all(len(s.past) == len(s) for s in many))
        if static is not None:
            raise ValueError(
                f"{self._owner}: static was given, expected None: series of the fit have that of "
                "the fit, others come as y"
            )
        if past is not None and direct:
            raise ValueError(
                f"{self._owner}: past was given, expected None: only strategy='recursive' goes "
                "through what comes"
            )
        coming = self._coming(fitted.form, past, future, past_steps=h, future_steps=reach)
        known = [fitted.continued(i, series) for i, series in enumerate(coming)]
        return Ahead(fitted, h, known, past is None)

    def _seed_of(self, random_state: Any) -> int:
        """Where the randomness of a call comes from."""
        with naming(self._owner, "random_state"):
            return int(check_random_state(random_state).randint(2**31 - 1))


def _conformal(levels: tuple[float, ...], ahead: Ahead) -> list[Array]:
    """(horizon, D, L, 2) for each series, from errors."""
    fitted, errors, every = ahead.fitted, Errors(ahead.fitted), []
    for i, numbers in enumerate(ahead.numbers()):
        reaches = [errors.reach(i, level, len(numbers)) for level in levels]
        every.append(np.stack([fitted.ends_of(numbers, far) for far in reaches], axis=-2))
    return every
