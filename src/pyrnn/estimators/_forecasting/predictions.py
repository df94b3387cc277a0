"""Predictions: forecasts, quantiles and intervals of a fitted forecaster."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import Array, check_choice, check_size
from .._naming import naming
from .base import ForecasterBase
from .conformal import check_level, read_levels, source_of
from .outcomes import Likelihood
from .series import Series

PATHS = 1000  # from which quantiles are taken where steps follow from one another


class Predictions(ForecasterBase):
    """Forecasts of the steps that follow those known."""

    def predict(self, horizon: int | None = None, *, past: Any = None, future: Any = None) -> Any:
        """The next steps of each series: (horizon,), or (horizon, D), in the form of y.

        `horizon` may be less than the fitted one, or with strategy="recursive" more. `future` has
        the known covariates of these steps, with "direct" of all fitted ones; `past`, with
        "recursive", what the past ones are thought to become.
        """
        forecasts, fitted = self._forecasts(horizon, past, future), self._fitted
        return fitted.form.pack([fitted.middle_of(ahead) for ahead in forecasts])

    def predict_quantiles(
        self,
        horizon: int | None = None,
        *,
        levels: Any = None,
        past: Any = None,
        future: Any = None,
    ) -> Any:
        """Quantiles of the next steps, ascending: (horizon, Q) or (horizon, D, Q).

        `levels` are the `quantiles` of the fit or some of them; with a likelihood any, its
        quantiles, or with strategy="recursive" those of 1,000 paths that `sample` draws.
        """
        check_is_fitted(self, "network_")
        wanted = self._wanted(levels)
        quantiles = self._quantiles(wanted, horizon, past, future)
        return self._fitted.form.pack(quantiles, last=wanted)

    def sample(
        self,
        n: int = 100,
        horizon: int | None = None,
        *,
        past: Any = None,
        future: Any = None,
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
        return self._fitted.form.pack_paths(self._paths(count, horizon, past, future, seed))

    def interval(
        self,
        level: Any = 0.9,
        horizon: int | None = None,
        *,
        method: str = "conformal",
        past: Any = None,
        future: Any = None,
    ) -> Any:
        """Lower and upper end (horizon, 2), or (horizon, D, 2), of intervals that hold what comes
        with probability `level`, for each step by itself; of L levels (horizon, L, 2), or
        (horizon, D, L, 2).

        Split conformal prediction: as far on both sides of the forecast as that share of the
        series' errors in its calibration reached, at the same step ahead; after a transform, in its
        units, and with a likelihood in units of its deviation at that step. A series with too few
        for the level takes the errors of all, each in units of the largest of its own series;
        `interval_source` says which. ValueError if these are too few, too, or the series has fewer
        than two windows of its own, and for a horizon beyond the fitted one.

        `method="likelihood"`: between the likelihood's quantiles (1 - level) / 2 and
        (1 + level) / 2, which hold no more than the likelihood does, and need no calibration.
        """
        check_is_fitted(self, "network_")
        levels, sides = read_levels(self._owner, level), ("lower", "upper")
        check_choice(self._owner, "method", method, ("conformal", "likelihood"))
        if method == "conformal":
            ends = self._conformal(levels, horizon, past, future)
        else:
            ends = self._likely(levels, horizon, past, future)
        if np.ndim(level) == 0:
            return self._fitted.form.pack([every[..., 0, :] for every in ends], last=sides)
        pairs = [(one, side) for one in levels for side in sides]
        return self._fitted.form.pack(ends, last=pairs)

    def interval_source(self, level: float = 0.9) -> Any:
        """Whose errors make the intervals of a level, for each series: "own" where its calibration
        has enough, else "pooled", those of all series."""
        check_is_fitted(self, "network_")
        number = check_level(self._owner, level)
        sources = [source_of(own, number) for own in self._fitted.scores]
        return self._fitted.form.pack_each(sources)

    def _conformal(
        self, levels: tuple[float, ...], horizon: int | None, past: Any, future: Any
    ) -> list[Array]:
        """(horizon, D, L, 2) for each series."""
        fitted, ends = self._fitted, []
        for i, ahead in enumerate(self._forecasts(horizon, past, future)):
            ends.append(np.stack([fitted.ends_of(i, ahead, one) for one in levels], axis=-2))
        return ends

    def _likely(
        self, levels: tuple[float, ...], horizon: int | None, past: Any, future: Any
    ) -> list[Array]:
        """The same, of the likelihood's quantiles."""
        if not isinstance(self._fitted.outcome, Likelihood):
            raise ValueError(
                f"{self._owner}: method is 'likelihood', expected 'conformal' with likelihood=None "
                "in fit"
            )
        sides = [(1 + sign * level) / 2 for level in levels for sign in (-1, 1)]
        every = self._quantiles(tuple(sides), horizon, past, future)
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

    def _quantiles(
        self, levels: tuple[float, ...], horizon: int | None, past: Any, future: Any
    ) -> list[Array]:
        """(horizon, D, Q) for each series."""
        fitted = self._fitted
        if isinstance(fitted.outcome, Likelihood) and not fitted.cutter.direct:
            every = self._paths(PATHS, horizon, past, future, self.seed_)
            return [np.moveaxis(np.quantile(paths, levels, axis=0), 0, -1) for paths in every]
        forecasts = self._forecasts(horizon, past, future)
        return [fitted.quantiles_of(ahead, levels) for ahead in forecasts]

    def _paths(self, n: int, horizon: int | None, past: Any, future: Any, seed: int) -> list[Array]:
        """(n, horizon, D) for each series."""
        h, every = self._histories(horizon, past, future)
        paths = []
        for i, known in enumerate(every):
            rng = np.random.default_rng([seed, i])
            paths.append(self._fitted.paths(i, known, h, rng, n, past is None))
        return paths

    def _forecasts(self, horizon: int | None, past: Any, future: Any) -> list[Array]:
        """(horizon, D, K) for each series: the numbers of the outcome."""
        h, every = self._histories(horizon, past, future)
        forecasts = []
        for i, known in enumerate(every):
            origins = np.array([len(known)])
            ahead = self._fitted.ahead(i, known, origins, h, hold_past=past is None)
            forecasts.append(ahead[0])
        return forecasts

    def _histories(self, horizon: int | None, past: Any, future: Any) -> tuple[int, list[Series]]:
        """The steps to forecast, and each series as the network reads it, with the covariates of
        these steps."""
        check_is_fitted(self, "network_")
        h, fitted = self._horizon(horizon), self._fitted
        reach = max(h, fitted.cutter.steps)
        if past is not None and fitted.cutter.direct:
            raise ValueError(
                f"{self._owner}: past was given, expected None: only strategy='recursive' goes "
                "through what comes"
            )
        coming = self._coming(fitted.form, past, future, past_steps=h, future_steps=reach)
        return h, [fitted.continued(i, steps) for i, steps in enumerate(coming)]

    def _seed_of(self, random_state: Any) -> int:
        """Where the randomness of a call comes from."""
        with naming(self._owner, "random_state"):
            return int(check_random_state(random_state).randint(2**31 - 1))
