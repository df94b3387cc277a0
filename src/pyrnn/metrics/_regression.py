"""Metrics of regressions and forecasts: MAE, MSE, RMSE, R2 and MASE."""

import math
from typing import Any

import numpy as np

from .._base.checks import Array, as_floats, check_size, read_items
from .._base.targets import Bools, check_finite, sum_in_order
from ._metric import Metric, ratio


class _ErrorMetric(Metric):
    """A mean over the elements of something of y - target.

    y and target are floats of one shape; the target may lack y's last axis when that has size 1.
    """

    higher_is_better = False

    def reset(self) -> None:
        self._total, self._count = 0.0, 0

    def add(self, y: Array, target: Any, lengths: Any) -> None:
        target, real = self.read_floats(y, target, lengths)
        self.add_errors(y, target, real)

    def add_errors(self, y: Array, target: Array, real: Bools) -> None:
        """Adds the real elements."""
        with np.errstate(over="ignore", invalid="ignore"):  # an infinite y: that is the answer
            error = np.subtract(y[real], target[real], dtype=np.float64)
            self._total = sum_in_order(self.of_error(error), self._total)
        self._count += error.size

    def of_error(self, error: Array) -> Array:
        """What is summed, of errors in float64."""
        return np.abs(error)


class MAE(_ErrorMetric):
    """The mean of |y - target|. TypeError or ValueError for targets that do not fit y or are not
    finite.

    Examples
    --------
    >>> metric = pyrnn.metrics.MAE()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> metric.value
    1.0
    """

    name = "mae"

    @property
    def value(self) -> float:
        return ratio(self._total, self._count)


class MSE(_ErrorMetric):
    """The mean of (y - target)^2. Errors as MAE's.

    Examples
    --------
    >>> metric = pyrnn.metrics.MSE()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> metric.value
    2.0
    """

    name = "mse"

    def of_error(self, error: Array) -> Array:
        return np.square(error)

    @property
    def value(self) -> float:
        return ratio(self._total, self._count)


class R2(_ErrorMetric):
    """1 - sum((y - target)^2) / sum((target - mean of targets)^2), over all elements together.

    The coefficient of determination (Wright 1921), as scikit-learn's r2_score of flat arrays: 1 is
    perfect, 0 as good as the mean of the targets. Of targets that are all equal it is 1 if y is,
    too, and else 0; NaN for fewer than two. Errors as MAE's.

    Examples
    --------
    >>> metric = pyrnn.metrics.R2()
    >>> metric.update(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    >>> metric.value
    0.5
    """

    name = "r2"
    higher_is_better = True

    def reset(self) -> None:
        super().reset()
        self._start: float | None = None  # the first target, which the others are measured from
        self._sum, self._squares = 0.0, 0.0

    def add_errors(self, y: Array, target: Array, real: Bools) -> None:
        super().add_errors(y, target, real)
        values = target[real].astype(np.float64)
        if values.size:
            self._start = float(values.reshape(-1)[0]) if self._start is None else self._start
            values -= self._start
            self._sum = sum_in_order(values, self._sum)
            self._squares = sum_in_order(np.square(values), self._squares)

    def of_error(self, error: Array) -> Array:
        return np.square(error)

    @property
    def value(self) -> float:
        if self._count < 2:
            return math.nan
        around_mean = self._squares - self._sum**2 / self._count
        if around_mean <= 0:
            return float(self._total == 0)
        return 1.0 - self._total / around_mean


class RMSE(_ErrorMetric):
    """The root of the mean of (y - target)^2. Errors as MAE's.

    Examples
    --------
    >>> metric = pyrnn.metrics.RMSE()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> round(metric.value, 4)
    1.4142
    """

    name = "rmse"

    def of_error(self, error: Array) -> Array:
        return np.square(error)

    @property
    def value(self) -> float:
        return math.sqrt(ratio(self._total, self._count))


class MASE(_ErrorMetric):
    """The mean of |y - target| over the mean of |s_t - s_{t-m}|, m the seasonality.

    Hyndman & Koehler 2006: 1 is as good as repeating the value of one season ago. The series s is
    `train`, the data that the model was trained on: (T,), or (N, T) with the sample first, or a
    list of such series (T,), each of more than m steps. Without `train` the targets themselves are
    the series: they need a time axis, (N, T, ...), and steps after the m-th. NaN before there is a
    difference of the series, infinite if all are 0.

    ValueError for a series of m steps or fewer, or one that is not finite; else errors as MAE's.

    Examples
    --------
    >>> metric = pyrnn.metrics.MASE(seasonality=2, train=np.array([1.0, 5.0, 3.0, 7.0]))
    >>> metric.update(np.array([4.0]), np.array([5.0]))  # off by 1; a season ago was off by 2
    >>> metric.value
    0.5
    """

    name = "mase"

    def __init__(self, seasonality: int = 1, *, train: Any = None) -> None:
        self.seasonality = check_size("MASE", "seasonality", seasonality)
        self._train = None if train is None else self._of_train(train)
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._naive_total, self._naive_count = self._train or (0.0, 0)

    @property
    def needs_time(self) -> bool:
        """Whether the targets must have a time axis."""
        return self._train is None

    @property
    def value(self) -> float:
        naive = ratio(self._naive_total, self._naive_count)
        return ratio(ratio(self._total, self._count), naive)

    def add_errors(self, y: Array, target: Array, real: Bools) -> None:
        if self._train is None:
            if target.ndim < 2:
                raise ValueError(
                    f"MASE: target has shape {target.shape}, expected a time axis, "
                    "(batch, time, ...), or the argument train"
                )
            self._add_naive(target, real)
        super().add_errors(y, target, real)

    def _add_naive(self, series: Array, real: Bools) -> None:
        """Adds the differences over a season of series (N, T, ...), of two steps that count."""
        m = self.seasonality
        pairs = real[:, m:] & real[:, :-m]
        terms = np.subtract(series[:, m:][pairs], series[:, :-m][pairs], dtype=np.float64)
        self._naive_total = sum_in_order(np.abs(terms), self._naive_total)
        self._naive_count += terms.size

    def _of_train(self, train: Any) -> tuple[float, int]:
        """(the sum of the differences over a season, their number)."""
        self._naive_total, self._naive_count = 0.0, 0
        if isinstance(train, list):
            train = read_items("MASE: train", train, "of floats")
        several = isinstance(train, list) and any(np.ndim(series) for series in train)
        for series in train if several else [train]:
            array = as_floats("MASE", "train", series, None)
            if array.ndim not in (1, 2) or array.shape[-1] <= self.seasonality:
                raise ValueError(
                    f"MASE: train has a series of shape {array.shape}, expected (T,) or (N, T) "
                    f"with more than {self.seasonality} = seasonality steps"
                )
            real = np.ones(array.shape, bool)
            check_finite("MASE", array, real)
            self._add_naive(np.atleast_2d(array), np.atleast_2d(real))
        return self._naive_total, self._naive_count
