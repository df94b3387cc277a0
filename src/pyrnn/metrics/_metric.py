"""Metric, the base of all metrics."""

from typing import Any, ClassVar

import numpy as np

from .._base.checks import Array, read_floats
from .._base.settings import Settings, missing
from .._base.targets import Bools, check_finite, float_target, real_elements


class Metric(Settings):
    """Base of the metrics: takes batches, knows the value over all of them.

    `update(y, target, lengths=None, mask=None)` adds a batch, `value` is the metric over all
    batches since the start or `reset()`, NaN before the first; `name` is a word for tables. y and
    target are as a loss takes them: (N, T, ...) when `lengths` (N,) is given. `mask` has bools of
    the target's shape, or of its first axes, True where an element counts: a Trainer gives what its
    loss counts, without targets that are `ignore_index`. What is left out by one of the two is
    never read and never counts. Counts are integers and sums float64, added one sample after the
    other, so that a cut into other batches of the same order changes no bit.

    A subclass writes `name`, `reset`, `value` and `add`, which asks `read_floats` or `real` what
    counts; `higher_is_better = True`, or False, tells `EarlyStopping` and `ModelCheckpoint` which
    value is the best.

    Examples
    --------
    >>> class Largest(pyrnn.metrics.Metric):  # the largest error
    ...     name = "largest"
    ...     def reset(self):
    ...         self.most = 0.0
    ...     @property
    ...     def value(self):
    ...         return self.most
    ...     def add(self, y, target, lengths):
    ...         target, real = self.read_floats(y, target, lengths)
    ...         self.most = max(self.most, float(np.abs(y - target)[real].max(initial=0)))
    >>> metric = Largest()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 4.5]))
    >>> metric.value
    2.5
    """

    name = ""
    _shown_state = ("value",)
    _changeable: ClassVar[frozenset[str]] = frozenset({"name"})  # two of a class need two names
    higher_is_better: ClassVar[bool | None] = None  # None: callbacks have to be told
    ragged_target: ClassVar[bool] = False  # whether it takes targets of lengths of their own
    _mask: Any = None  # that of the update under way

    def __init__(self) -> None:
        self.reset()

    @property
    def value(self) -> float:
        """The metric over all batches so far, NaN if there is nothing yet."""
        raise missing(self, "value")

    def reset(self) -> None:
        """Forgets all batches."""
        raise missing(self, "reset")

    def update(self, y: Any, target: Any, lengths: Any = None, mask: Any = None) -> None:
        """Adds a batch; TypeError or ValueError, with nothing added, for what does not fit."""
        self._mask = mask
        try:
            self.add(read_floats(type(self).__name__, "y", y, None), target, lengths)
        finally:
            self._mask = None

    def add(self, y: Array, target: Any, lengths: Any) -> None:
        """Adds a batch whose y is an array of floats."""
        raise missing(self, "add")

    def needs_logits(self, y_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> bool:
        """Whether the value is wrong where y, of this shape, has probabilities in logits' place."""
        return False

    def real(self, target: Array, lengths: Any) -> Bools:
        """True where an element of the target counts."""
        return real_elements(type(self).__name__, target.shape, lengths, self._mask)

    def read_floats(self, y: Array, target: Any, lengths: Any) -> tuple[Array, Bools]:
        """A checked target of y's shape, and which of its elements count."""
        target = float_target(type(self).__name__, y.shape, y.dtype, target)
        real = self.real(target, lengths)
        check_finite(type(self).__name__, target, real)
        return target, real


def ratio(total: float, count: float) -> float:
    """total / count; NaN for 0 / 0, infinite for more over nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(total) / np.float64(count))
