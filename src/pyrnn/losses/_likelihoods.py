"""Negative log likelihoods: normal, Student t, Poisson and negative binomial."""

import math

import numpy as np

from .. import _core
from .._base.checks import Array, check_flag
from .._base.runtime import num_threads
from .._base.settings import missing
from .._base.targets import Bools, check_finite
from ._gamma import digamma_step, log_gamma_step
from ._loss import ElementLoss, Loss
from ._several import SeveralPerTarget, check_positive

LEAST = 1e-200  # of what is divided by


class _LogLikelihood(Loss):
    """What the constructors share: `eps`, and options that are True or False."""

    eps: float
    full: bool

    def __init__(self, *, eps: float, reduction: str, **flags: bool) -> None:
        super().__init__(reduction=reduction)
        owner = type(self).__name__
        for name, flag in flags.items():
            setattr(self, name, check_flag(owner, name, flag))
        self.eps = check_positive(owner, "eps", eps)


class _OfCounts(_LogLikelihood):
    """-log of a probability of counts."""

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        check_finite(type(self).__name__, target, real, 0.0)
        return real


class GaussianNLL(_LogLikelihood, SeveralPerTarget):
    """(log v + (mean - target)^2 / v) / 2, v the variance: -log of a normal density.

    y holds the mean and s = log variance of each target: (..., 2) for a target (...), or
    (..., 2*F) for (..., F), the F means first. v = max(exp(s), eps); where eps counts, the
    derivative by the variance is that at eps, so that s can leave. `full` adds the density's
    constant, log(2 pi) / 2. Nix & Weigend 1994; torch.nn.GaussianNLLLoss with var = exp(s).
    ValueError unless eps is finite and > 0, for a y that does not fit, and for a target that is
    not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.GaussianNLL()
    >>> y, target = np.array([[1.0, 0.0]]), np.array([3.0])  # mean 1, variance exp(0)
    >>> loss(y, target)
    2.0
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(full=full, eps=eps, reduction=reduction)

    @property
    def per_target(self) -> int:
        return 2

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        y, target, real = self.split(y, target, real)
        mean, given = y[..., :1, :], y[..., 1:, :]
        log_variance = np.maximum(given, y.dtype.type(math.log(self.eps)))
        precision, below = (
            _core.activation_forward("exp", np.ascontiguousarray(a), num_threads())
            for a in (-log_variance, given - log_variance)
        )
        error = mean - target
        ratio = error * error * precision
        constant = math.log(2 * math.pi) if self.full else 0.0
        losses = (log_variance + ratio + constant).astype(np.float64) * 0.5 * (real * scale)
        half = y.dtype.type(0.5)
        slopes = np.concatenate([error * precision, half * (1 - ratio) * below], axis=-2)
        return losses, np.where(real, slopes * y.dtype.type(scale), y.dtype.type(0))


class _DensityLoss(SeveralPerTarget):
    """-log of a density of several parameters, computed in float64."""

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        y, target, real = self.split(y, target, real)
        parts = np.split(y.astype(np.float64), self.per_target, axis=-2)
        losses, slopes = self.of_parameters(parts, target.astype(np.float64))
        together = np.concatenate(slopes, axis=-2) * scale
        return losses * (real * scale), np.where(real, together, 0.0).astype(y.dtype)

    def of_parameters(self, parts: list[Array], target: Array) -> tuple[Array, list[Array]]:
        """The loss of each target, and its derivatives by the parts of y."""
        raise missing(self, "of_parameters")


class StudentTNLL(_LogLikelihood, _DensityLoss):
    """-log of the density of Student's t distribution, with its degrees of freedom learnt.

    y holds the location m, s = log of the squared scale, and d of each target: (..., 3) for a
    target (...), or (..., 3*F) for (..., F), the F locations first. With v = max(exp(s), eps),
    nu = 2 + softplus(d), so that the variance v * nu / (nu - 2) is finite, and e = target - m:

        log(gamma(nu/2) / gamma((nu+1)/2)) + log(pi * nu * v) / 2 + (nu+1)/2 * log(1 + e^2/(nu*v))

    An outlier counts by its logarithm, where GaussianNLL counts its square. Where eps counts, the
    derivative is as GaussianNLL's. Lange, Little & Taylor 1989. ValueError unless eps is finite
    and > 0, for a y that does not fit, and for a target that is not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.StudentTNLL()
    >>> y = np.array([[0.0, 0.0, 0.0]])  # location 0, scale 1, 2 + log(2) degrees of freedom
    >>> [round(loss(y, np.array([target])), 3) for target in (0.0, 1.0, 100.0)]
    [1.01, 1.593, 16.189]
    """

    def __init__(self, *, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(eps=eps, reduction=reduction)

    @property
    def per_target(self) -> int:
        return 3

    def of_parameters(self, parts: list[Array], target: Array) -> tuple[Array, list[Array]]:
        location, given, d = parts
        s, nu = np.maximum(given, math.log(self.eps)), 2.0 + np.logaddexp(0.0, d)
        error, precision = location - target, np.exp(-s)
        ratio = error * error * precision / nu
        inner = ratio / (1.0 + ratio)
        constant = log_gamma_step(nu / 2, np.array(0.5))
        losses = (np.log(math.pi * nu) + s + (nu + 1) * np.log1p(ratio)) / 2 - constant
        by_nu = (1 / nu - digamma_step(nu / 2, np.array(0.5)) + np.log1p(ratio)) / 2
        by_nu -= (nu + 1) / (2 * nu) * inner
        return losses, [
            (nu + 1) / nu * error * precision / (1.0 + ratio),
            (1.0 - (nu + 1) * inner) / 2 * np.exp(given - s),
            by_nu * _sigmoid(d),
        ]


class PoissonNLL(_OfCounts, ElementLoss):
    """rate - target * log(rate): -log of a Poisson probability, as torch.nn.PoissonNLLLoss.

    y is log(rate), or with `log_input=False` the rate itself, >= 0, to whose logarithm's argument
    `eps` is added. `full` adds log(target!) by Stirling's formula, t*log(t) - t + log(2 pi t)/2,
    where the target is above 1. Targets are counts; any number >= 0 is taken. ValueError unless
    eps is finite and > 0, and for a target that is negative or not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.PoissonNLL()
    >>> y, target = np.log([2.0, 3.0]), np.array([2.0, 5.0])
    >>> value, pullback = loss.vjp(y, target)
    >>> pullback()  # (rate - target) / 2
    array([ 0., -1.])
    """

    log_input: bool

    def __init__(
        self,
        *,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(log_input=log_input, full=full, eps=eps, reduction=reduction)

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        dtype, start = y.dtype, 0.0 if self.log_input else 1.0
        y, target = (np.where(real, a, b).astype(np.float64) for a, b in ((y, start), (target, 0)))
        if self.log_input:
            rate = np.exp(y)
            losses, slope = rate - target * y, rate - target
        else:
            losses, slope = y - target * np.log(y + self.eps), 1.0 - target / (y + self.eps)
        if self.full:
            t = np.maximum(target, 1.0)
            stirling = t * np.log(t) - t + np.log(2 * math.pi * t) / 2
            losses = losses + np.where(target > 1, stirling, 0.0)
        return losses * (real * scale), (slope * (real * scale)).astype(dtype)


class NegativeBinomialNLL(_OfCounts, _DensityLoss):
    """-log of a negative binomial probability: counts that vary more than Poisson's.

    y holds the logarithms of the mean m and of the dispersion a of each target: (..., 2) for a
    target (...), or (..., 2*F) for (..., F), the F of the means first. The variance is
    m + a * m^2; as a falls to 0 the distribution becomes Poisson's. With r = 1 / max(a, eps):

        -log gamma(t + r) + log gamma(r) + log(t!) + (t + r) * log(1 + m/r) - t * log(m/r)

    `full=False` leaves out log(t!), which is exact here. Where eps counts, the derivative is as
    GaussianNLL's. Targets are counts; any number >= 0 is taken. Hilbe 2011; Salinas et al. 2020.
    ValueError unless eps is finite and > 0, for a y that does not fit, and for a target that is
    negative or not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.NegativeBinomialNLL(full=True)
    >>> y = np.array([[np.log(2.0), 0.0]])  # mean 2, dispersion 1: a geometric distribution
    >>> round(float(np.exp(-loss(y, np.array([1.0])))), 6)  # 1/3 * 2/3
    0.222222
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(full=full, eps=eps, reduction=reduction)

    @property
    def per_target(self) -> int:
        return 2

    def of_parameters(self, parts: list[Array], target: Array) -> tuple[Array, list[Array]]:
        log_mean, given = parts
        dispersion = np.maximum(given, math.log(self.eps))
        r = np.maximum(np.exp(-dispersion), LEAST)
        odds = log_mean + dispersion  # of m / r, as a logarithm
        above = np.logaddexp(0.0, odds)
        losses = r * above + target * (above - odds) - log_gamma_step(r, target)
        if self.full:
            losses += log_gamma_step(np.array(1.0), target)
        by_mean = r * _sigmoid(odds) - target * _sigmoid(-odds)
        by_dispersion = by_mean + r * (digamma_step(r, target) - above)
        return losses, [by_mean, by_dispersion * np.exp(given - dispersion)]


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), for any x."""
    small = np.exp(-np.abs(x))
    sigmoid: Array = np.where(x < 0, small, 1.0) / (1.0 + small)
    return sigmoid
