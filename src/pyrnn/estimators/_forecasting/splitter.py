"""RollingOrigins: scikit-learn's splits of a series into what is known and what comes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..._base.checks import Array, check_size
from ..._base.settings import Settings


class RollingOrigins(Settings):
    """Splits a series by time, for GridSearchCV and cross_val_score of a Forecaster.

    Each split trains on all steps before an origin and tests on the `horizon` steps after it. The
    last origin is `horizon` steps before the end, the `n_splits` - 1 others `stride` steps, by
    default the horizon, before one another. The rows are one series: TypeError for a list or dict
    of series, which `Forecaster.search` takes; ValueError for too few rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from pyrnn.estimators import Forecaster, RollingOrigins
    >>> [(len(train), test.tolist()) for train, test in RollingOrigins(2, 3).split(np.zeros(10))]
    [(4, [4, 5]), (6, [6, 7]), (8, [8, 9])]
    >>> y = 10 + np.sin(np.arange(120) / 4)
    >>> forecaster = Forecaster(horizon=3, epochs=2, random_state=0)
    >>> found = GridSearchCV(forecaster, {"lookback": [2, 30]}, cv=RollingOrigins(3, 2)).fit(y)
    >>> found.best_params_
    {'lookback': 30}
    """

    def __init__(self, horizon: int, n_splits: int = 5, stride: int | None = None) -> None:
        owner = "RollingOrigins"
        self.horizon = check_size(owner, "horizon", horizon)
        self.n_splits = check_size(owner, "n_splits", n_splits)
        self.stride = None if stride is None else check_size(owner, "stride", stride)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of splits, whatever the series."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Array, Array]]:
        """The numbers of the rows to train on and to test on, for each split."""
        check_one_series("RollingOrigins", "X", X)
        origins = self.origins(len(X))
        if origins[0] < 1:
            raise ValueError(
                f"RollingOrigins: X has {len(X)} steps, expected more than "
                f"{len(X) - int(origins[0])} = horizon + (n_splits - 1) * stride"
            )
        for origin in origins:
            yield np.arange(origin), np.arange(origin, origin + self.horizon)

    def origins(self, steps: int) -> Array:
        """(n_splits,): how much of a series of so many steps is trained on, rising."""
        stride = self.horizon if self.stride is None else self.stride
        back: Array = np.arange(self.n_splits)[::-1] * stride
        return steps - self.horizon - back


def check_one_series(owner: str, argument: str, value: Any) -> None:
    """TypeError unless rows are the steps of one series: scikit-learn would split series."""
    several = isinstance(value, dict) or (
        isinstance(value, list | tuple) and any(hasattr(entry, "__len__") for entry in value)
    )
    if several or not hasattr(value, "__len__"):
        came = f"a {type(value).__name__}{' of series' if several else ''}"
        raise TypeError(
            f"{owner}: {argument} is {came}, expected one series, whose rows are steps: "
            "scikit-learn splits rows; Forecaster.search takes many series"
        )
