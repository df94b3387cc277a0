"""Outcomes: what a network's numbers say of a value: quantiles, or a likelihood's parameters.

They are the last axis (..., D, K). The first is a location in the units of the network, which
`undo` takes back to those of y; with it come quantiles, or the likelihood's other parameters.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..._base.checks import Array, check_choice
from ...losses import GaussianNLL, Loss, NegativeBinomialNLL, PoissonNLL, Quantile, StudentTNLL
from .._file import learnt
from .._network import read_loss
from .._scaling import Scaling
from .form import Form
from .linked import Linked
from .series import Series
from .transform import Transform

LARGEST = 40.0  # the logarithm of a mean count, beyond which no quantile is found


@learnt
@dataclass(frozen=True)
class Outcome:
    """Base: one forecast, and nothing of its chances."""

    results: Transform = field(default_factory=Transform)  # of forecasts to the user's units
    counts: ClassVar[bool] = False  # whether y is counts, and the location the log of their mean

    @property
    def asks(self) -> str:
        """The parameter that says which y may come, for a message; "" if any may."""
        if self.counts:
            return f"likelihood={_name_of(type(self))!r}"
        positive = "positive=True" if self.results.positive else ""
        return "transform='log1p'" if self.results.log else positive

    @property
    def outputs(self) -> int:
        """K."""
        return 1

    @property
    def locations(self) -> int:
        """How many of them are in the units of y."""
        return 1

    def loss(self, spec: Any) -> Loss:
        """What is minimised."""
        return read_loss(spec)

    def shape(self, k: int, variance: Array) -> Array:
        """Number k that is no location, where errors have a variance: where training begins."""
        return np.zeros_like(variance)

    def undo(self, scaling: Scaling, outputs: Array) -> Array:
        """The numbers (..., D, K) in the units of y, of those of the network."""
        return scaling.undo(outputs.swapaxes(-1, -2)).swapaxes(-1, -2)

    def center(self, numbers: Array) -> Array:
        """The forecast (..., D)."""
        middle: Array = numbers[..., 0]
        return middle

    def spread(self, numbers: Array) -> Array:
        """(..., D), or one for all: the unit of errors there."""
        return np.ones(())

    def quantiles(self, numbers: Array, levels: tuple[float, ...]) -> Array:
        """(..., D, Q): the quantiles of these levels."""
        raise NotImplementedError


@learnt
@dataclass(frozen=True)
class Levels(Outcome):
    """Quantiles, ascending, the median among them."""

    levels: tuple[float, ...] = (0.5,)

    @property
    def outputs(self) -> int:
        return len(self.levels)

    @property
    def locations(self) -> int:
        return len(self.levels)

    def loss(self, spec: Any) -> Loss:
        return Quantile(self.levels)

    def undo(self, scaling: Scaling, outputs: Array) -> Array:
        return np.sort(super().undo(scaling, outputs), axis=-1)  # so that none cross

    def center(self, numbers: Array) -> Array:
        middle: Array = numbers[..., self.levels.index(0.5)]
        return middle

    def quantiles(self, numbers: Array, levels: tuple[float, ...]) -> Array:
        quantiles: Array = numbers[..., [self.levels.index(level) for level in levels]]
        return quantiles


class Likelihood(Outcome):
    """A distribution: the mean, or with a transform the median, is the forecast."""

    nll: ClassVar[Any]  # the class of the loss

    @property
    def outputs(self) -> int:
        return int(getattr(self.nll(), "per_target", 1))

    def loss(self, spec: Any) -> Loss:
        loss: Loss = self.nll()
        return Linked(loss) if self.counts else loss

    def undo(self, scaling: Scaling, outputs: Array) -> Array:
        parts = [scaling.undo(outputs[..., 0])]
        for k in range(1, self.outputs):
            parts.append(self.undo_shape(k, scaling.scale, outputs[..., k]))
        return np.stack(parts, axis=-1)

    def undo_shape(self, k: int, scale: Array, numbers: Array) -> Array:
        """Number k > 0 where y is in units that the network has `scale` of."""
        raise NotImplementedError

    def quantiles(self, numbers: Array, levels: tuple[float, ...]) -> Array:
        return np.stack([self.quantile(numbers, np.array(level)) for level in levels], axis=-1)

    def quantile(self, numbers: Array, levels: Array) -> Array:
        """(..., D): the quantiles of levels (..., D)."""
        found: Array = self.distribution(numbers).ppf(levels)
        return found

    def distribution(self, numbers: Array) -> Any:
        """scipy's."""
        raise NotImplementedError


@learnt
class Normal(Likelihood):
    """Mean and log variance."""

    nll: ClassVar[Any] = GaussianNLL

    def shape(self, k: int, variance: Array) -> Array:
        return np.log(np.maximum(variance, self.nll().eps)) if k == 1 else np.zeros_like(variance)

    def undo_shape(self, k: int, scale: Array, numbers: Array) -> Array:
        if k > 1:
            return numbers
        least = np.log(self.nll().eps)
        square: Array = np.maximum(numbers, least) + 2 * np.log(scale)
        return square

    def spread(self, numbers: Array) -> Array:
        spread: Array = np.exp(numbers[..., 1] / 2)
        return spread

    def distribution(self, numbers: Array) -> Any:
        return _stats().norm(numbers[..., 0], self.spread(numbers))


@learnt
class StudentT(Normal):
    """Location, log squared scale and what the degrees of freedom are made of."""

    nll = StudentTNLL

    def distribution(self, numbers: Array) -> Any:
        degrees = 2 + np.logaddexp(0, numbers[..., 2])
        return _stats().t(degrees, numbers[..., 0], self.spread(numbers))


@learnt
class Poisson(Likelihood):
    """The logarithm of the mean."""

    nll: ClassVar[Any] = PoissonNLL
    counts = True

    def center(self, numbers: Array) -> Array:
        mean: Array = np.exp(np.clip(numbers[..., 0], -LARGEST, LARGEST))
        return mean

    def spread(self, numbers: Array) -> Array:
        mean = self.center(numbers)  # 1 more: where nearly nothing is expected, one is not far off
        spread: Array = np.sqrt(1 + mean + self.dispersion(numbers) * mean**2)
        return spread

    def dispersion(self, numbers: Array) -> Any:
        """(variance - mean) / mean^2."""
        return 0.0

    def distribution(self, numbers: Array) -> Any:
        return _stats().poisson(self.center(numbers))


@learnt
class NegativeBinomial(Poisson):
    """The logarithms of mean and dispersion."""

    nll = NegativeBinomialNLL

    def undo_shape(self, k: int, scale: Array, numbers: Array) -> Array:
        eps = self.nll().eps
        dispersion: Array = np.clip(numbers, np.log(eps), -np.log(eps))
        return dispersion

    def dispersion(self, numbers: Array) -> Any:
        return np.exp(numbers[..., 1])

    def distribution(self, numbers: Array) -> Any:
        r = 1 / self.dispersion(numbers)
        return _stats().nbinom(r, r / (r + self.center(numbers)))


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "normal": Normal,
    "student_t": StudentT,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}


def _stats() -> Any:
    """scipy's distributions, which take a while to import."""
    from scipy import stats

    return stats


def _name_of(kind: type[Any]) -> str:
    """How the parameter calls a likelihood."""
    return next(name for name, known in LIKELIHOODS.items() if known is kind)


def read_outcome(spec: Any, transform: Transform, levels: tuple[float, ...]) -> Outcome:
    """What the parameters of a forecaster say; `levels` are the quantiles that were asked for."""
    owner = type(spec).__name__
    if spec.likelihood is None:
        if not levels:
            return Outcome(transform)
        return Levels(transform, tuple(sorted({*levels, 0.5})))
    name = check_choice(owner, "likelihood", spec.likelihood, tuple(LIKELIHOODS))
    kind = LIKELIHOODS[name]
    if kind.counts and spec.transform is not None:
        raise ValueError(
            f"{owner}: transform is {spec.transform!r}, expected None with likelihood={name!r}, "
            "which reads logarithms of counts by itself"
        )
    return kind(Transform(positive=True) if kind.counts else transform)


def check_range(owner: str, form: Form, many: list[Series], outcome: Outcome) -> None:
    """ValueError, which names the series and the step, for a y that the outcome has no place for:
    one below 0, or one that is no count."""
    if not outcome.asks:
        return
    for i, series in enumerate(many):
        known = np.nan_to_num(series.y, nan=0.0)
        wrong = (known < 0) | ((known != np.rint(known)) & outcome.counts)
        if wrong.any():
            step, column = divmod(int(wrong.argmax()), wrong.shape[1])
            expected = "counts 0, 1, 2, ..." if outcome.counts else "numbers >= 0"
            raise ValueError(
                f"{owner}: {form.name('y', i)} is {series.y[step, column]:g} "
                f"{form.place(i, step, column)}, expected {expected} with {outcome.asks}"
            )
