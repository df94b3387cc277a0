"""TimeDistributed: a module that knows of no time, at every step."""

import copy
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from .._base.checks import Array, as_plain_array, describe
from .._base.front import Front
from .._base.layout import is_ids, steps_as_given, steps_first
from .._base.mask import Mask
from .._base.module import Module, storable
from .._base.prediction import works_along_time
from .._base.pullback import Additions
from .._base.steps import StepByStep
from ._container import Back, Container, States, hollow, read_dy, through


@storable
class TimeDistributed(Container):
    """y[n, t] = part(x[n, t]): one module on each step of x (N, T, ...), without a time axis.

    All real steps of all rows go through the module at once, as a batch (N*T, ...); its outputs
    (N*T, ...) become y (N, T, ...). As Keras' TimeDistributed. The module may itself work along an
    axis of the step: an encoder of sentences on the words (N, sentences, words) of documents.

    - `y = module(x, lengths=None, mask=None)`: x (N, T, ...), ids (N, T, ...), or floats (T, F) of
      one sequence; (T, N, ...) with batch_first=False. The module reads (N*T, ...), sample first,
      either way. It never meets the steps after `lengths`, or where `mask` is False; y is 0 there.
    - `(y, ()), pullback = module.vjp(x, ...)`; `dx, () = pullback(dy)`: the state is empty, as
      recurrent layers inside begin at zero in each step of x.

    The module is number "0" of this one's, or has the name that it is given with. In a stream of a
    Sequential it gets each step as it comes. Linear and other modules that work on the last axis
    alone do not need it.

    ValueError for several modules, for one that reads time first, (T, N, ...), or that gives
    several outputs or another number of rows than it got.

    Examples
    --------
    >>> words = pyrnn.Sequential(pyrnn.Embedding(9, 2, seed=0), pyrnn.GRU(2, 4, seed=1))
    >>> sentence = pyrnn.Sequential(words, pyrnn.LastStep())
    >>> model = pyrnn.Sequential(pyrnn.TimeDistributed(sentence), pyrnn.GRU(4, 5, seed=2))
    >>> documents = np.ones((3, 6, 7), np.int64)  # of 6 sentences of 7 words
    >>> model(documents, lengths=[6, 2, 4]).shape
    (3, 6, 5)
    """

    time_aware: ClassVar[bool] = True
    _keeps_layout: ClassVar[bool] = True

    @property
    def num_states(self) -> int:
        """0: a step's states end with it."""
        return 0

    @property
    def takes_ids(self) -> bool:  # type: ignore[override]
        """Whether the module does."""
        return next(self[0].forward_path()).takes_ids

    def takers_of_ids(self) -> Iterator[Module]:
        return self[0].takers_of_ids()

    def step_part(self, batch_size: int) -> StepByStep:
        """What a stream of a Sequential runs: the module on each step."""
        return _EachStep(copy.deepcopy(self))

    def _check_parts(self) -> None:
        self._check_one()
        if self[0].gives_several:
            name = type(self[0]).__name__
            raise ValueError(f"TimeDistributed: {name} gives several outputs, expected one")
        same = Front(passes=True)  # recurrent layers inside read no steps of x
        self._front = same if self[0]._features_from() == same else Front()

    def _agree_on_layout(self) -> None:
        """The module has its own layout: it gets rows."""
        part = self[0]
        if not part.batch_first:
            raise ValueError(
                f"TimeDistributed: {type(part).__name__} has batch_first=False, expected True: it "
                "gets steps as rows (N*T, ...), whatever the layout of x"
            )
        for module in part.modules():
            module._is_part = True

    def _fronts(self) -> Iterator[Module]:
        return iter(self)

    def _split(self, name: str, value: Any) -> States:
        if value is not None and value != ():
            raise ValueError(f"TimeDistributed: {name} is {describe(value)}, expected None or ()")
        return []

    def _run(self, x: Any, states: States, moved: Mask | None) -> tuple[Any, States]:
        steps = _Steps(self._read(x), self.batch_first, moved)
        y, _ = self[0].run_part(steps.rows)
        return steps.joined(self._checked(y, steps)), []

    def _vjp(
        self, x: Any, states: States, moved: Mask | None, need_dx: bool, rng: int | None
    ) -> tuple[Any, States, Back]:
        steps = _Steps(self._read(x), self.batch_first, moved)
        (y, _), pullback = self[0].vjp_part(steps.rows, need_dx=need_dx, rng=rng)
        joined = steps.joined(self._checked(y, steps))
        shape = hollow(joined)

        def back(dy: Any, dstates: States) -> tuple[Any, States, Additions]:
            dy = read_dy("TimeDistributed", dy, shape)
            dy = None if dy is None else steps.split(moved.gather(dy) if moved else dy)
            dx, _, additions = through(self[0], pullback, dy, None)
            return None if dx is None else steps.in_layout(dx), [], additions

        return joined, [], back

    def _read(self, x: Any) -> Array:
        """x as an array of a batch, or floats of one sequence."""
        array = as_plain_array("TimeDistributed", "x", x, "of numbers")
        read: Array = array if is_ids(array) else self._read_floats(x)
        if read.ndim < 2:
            raise ValueError(f"TimeDistributed: x has shape {read.shape}, expected (N, T, ...)")
        if works_along_time(self[0]) and read.ndim < (3 if is_ids(read) else 4):
            raise ValueError(
                f"TimeDistributed: x has shape {read.shape}, expected (N, T, steps, ...): "
                f"{type(self[0]).__name__} works along an axis of each step"
            )
        return read

    def _checked(self, y: Any, steps: "_Steps") -> Array:
        """What the module gives, a row for each that it got."""
        shape = getattr(y, "shape", ())
        if not isinstance(y, np.ndarray) or shape[:1] != (steps.count,):
            raise ValueError(
                f"TimeDistributed: {type(self[0]).__name__} gives {describe(y)} of shape {shape} "
                f"for {steps.count} steps, expected a row for each"
            )
        return y


class _Steps:
    """The real steps of x, which a mask has moved to the front of each row, as rows of a batch."""

    def __init__(self, x: Array, batch_first: bool, moved: Mask | None) -> None:
        self._single = x.ndim == 2 and not is_ids(x)
        self._batch_first = batch_first
        self._moved = moved
        self._shape = self._by_time(x).shape[:2]
        real = np.arange(self._shape[0])[:, None]
        self._real = None if moved is None else real < moved.lengths
        self.rows = self.split(x)
        self.count = len(self.rows)

    def split(self, array: Array) -> Array:
        """The rows of an array with the steps of x, step by step."""
        by_time = self._by_time(array)
        if self._real is not None:
            return by_time[self._real]
        return by_time.reshape(by_time.shape[0] * by_time.shape[1], *by_time.shape[2:])

    def in_layout(self, rows: Array) -> Array:
        """The inverse, zeros after the real steps."""
        shape = (*self._shape, *rows.shape[1:])
        if self._real is None:
            by_time = rows.reshape(shape)
        else:
            by_time = np.zeros(shape, rows.dtype)
            by_time[self._real] = rows
        return steps_as_given(by_time, self._batch_first, self._single)

    def joined(self, rows: Array) -> Array:
        """The same where the mask has the steps."""
        y = self.in_layout(rows)
        return self._moved.scatter(y) if self._moved else y

    def _by_time(self, array: Array) -> Array:
        return steps_first(array, self._batch_first, self._single)


class _EachStep(StepByStep):
    """In a stream of a Sequential: the module on a step, and over the steps of a chunk."""

    def __init__(self, module: TimeDistributed) -> None:
        super().__init__(module)
        self.step = lambda x: module[0].run_part(x)[0]
