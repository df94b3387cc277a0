"""Space: the values of parameters that a search draws from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Protocol

from ..._base.checks import check_mapping, describe

EDGE = 1e-9  # shares stay inside of 0 and 1, where a distribution may have no value


class Dimension(Protocol):
    """The values of one parameter."""

    def at(self, share: float) -> Any:
        """The value that a share in [0, 1) of all lies below."""

    def suggest(self, trial: Any, name: str) -> Any:
        """The value that a trial of Optuna suggests."""


@dataclass(frozen=True)
class Choices:
    """Some values, each as likely as the others."""

    values: Sequence[Any]

    def at(self, share: float) -> Any:
        return self.values[int(share * len(self.values))]

    def suggest(self, trial: Any, name: str) -> Any:
        return self.values[trial.suggest_categorical(name, range(len(self.values)))]


@dataclass(frozen=True)
class Integers:
    """All from low to high."""

    low: int
    high: int

    def at(self, share: float) -> Any:
        return self.low + int(share * (self.high - self.low + 1))

    def suggest(self, trial: Any, name: str) -> Any:
        return trial.suggest_int(name, self.low, self.high)


@dataclass(frozen=True)
class Floats:
    """All from low to high."""

    low: float
    high: float

    def at(self, share: float) -> Any:
        return self.low + share * (self.high - self.low)

    def suggest(self, trial: Any, name: str) -> Any:
        return trial.suggest_float(name, self.low, self.high)


@dataclass(frozen=True)
class Distribution:
    """As one of scipy.stats says, by its quantiles."""

    distribution: Any

    def at(self, share: float) -> Any:
        value = self.distribution.ppf(min(max(share, EDGE), 1 - EDGE))
        return int(value) if hasattr(self.distribution, "pmf") else float(value)

    def suggest(self, trial: Any, name: str) -> Any:
        return self.at(trial.suggest_float(name, 0.0, 1.0))


def read_space(owner: str, space: Any, names: Sequence[str]) -> dict[str, Dimension]:
    """The dimensions by name of the parameter, one of `names`. TypeError or ValueError for what is
    none."""
    space = check_mapping(owner, "space", space, (), names)
    if not space:
        raise ValueError(f"{owner}: space is empty, expected at least one parameter")
    return {name: _dimension(f"{owner}: space[{name!r}]", space[name]) for name in space}


def _dimension(what: str, values: Any) -> Dimension:
    """The values of one parameter."""
    if isinstance(values, list):
        if values:
            return Choices(values)
        raise ValueError(f"{what} is empty, expected at least one value")
    if callable(getattr(values, "ppf", None)):
        return Distribution(values)
    ends = values if isinstance(values, tuple) else ()
    numbers = [end for end in ends if isinstance(end, Real) and not isinstance(end, bool)]
    if not len(ends) == len(numbers) == 2:
        raise TypeError(
            f"{what} is {describe(values)}, expected a list of values, a range (low, high) of "
            "numbers, or a distribution of scipy.stats"
        )
    low, high = numbers
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"{what} is {ends}, expected (low, high) with low <= high, both finite")
    if isinstance(low, Integral) and isinstance(high, Integral):
        return Integers(int(low), int(high))
    return Floats(float(low), float(high))
