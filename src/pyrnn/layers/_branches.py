"""Parallel, Concat, Add and Residual: modules that get the same x, and what is made of theirs."""

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np

from .._base.checks import Array, describe
from .._base.front import Front, beside
from .._base.layout import time_major
from .._base.mask import Mask
from .._base.module import Module, storable
from .._base.names import in_messages
from .._base.pullback import Additions
from ._container import Back, Container, States, entries_of, hollow, lengths_of, read_dy, through
from ._sequential_stream import BranchStream


class Branches(Container):
    """Modules side by side: each gets x, with its own part of the state.

    A subclass says what is made of their outputs, `_joined`, and which gradient each of those has.
    """

    def _itself(self, x: Any, moved: Mask | None) -> Any:
        """x, if y is made of x itself, too; where a mask gives its steps."""
        return None

    def _joined(self, x: Any, ys: list[Any]) -> Any:
        """y of x itself and of the outputs."""
        raise NotImplementedError

    def _parted(self, dy: Any, ys: list[Any]) -> tuple[Any, list[Any]]:
        """The gradient of y as that of x itself, or None, and that of each of these outputs."""
        raise NotImplementedError

    def forward_path(self) -> Iterator[Module]:
        yield from (step for part in self for step in part.forward_path())
        yield self

    def takers_of_ids(self) -> Iterator[Module]:
        return (taker for part in self for taker in part.takers_of_ids())

    def check_front(self, owner: str, front: Front) -> None:
        for name, part in self.named_parts():
            part.check_front(f"{owner}: {in_messages(name, type(part))}", front)

    def step_part(self, batch_size: int) -> BranchStream:
        """Each part's step, and what is made of them, for a Sequential around it."""
        parts = [part.step_part(batch_size) for part in self]
        return BranchStream(type(self).__name__, parts, self._joined)

    def _fronts(self) -> Iterator[Module]:
        return iter(self)

    def _run(self, x: Any, states: States, moved: Mask | None) -> tuple[Any, States]:
        ys: list[Any] = []
        new_states: States = []
        for part, state in zip(self, states, strict=True):
            y, new = part.run_part(x, state, lengths_of(moved))
            ys.append(part.placed(y, moved, moved.scatter) if moved else y)
            new_states += entries_of(part, new)
        return self._joined(self._itself(x, moved), ys), new_states

    def _vjp(
        self, x: Any, states: States, moved: Mask | None, need_dx: bool, rng: int | None
    ) -> tuple[Any, States, Back]:
        ys: list[Any] = []
        new_states: States = []
        pullbacks: list[tuple[Module, Any]] = []
        for part, state in zip(self, states, strict=True):
            lengths = lengths_of(moved)
            (y, new), pullback = part.vjp_part(x, state, lengths, need_dx=need_dx, rng=rng)
            ys.append(part.placed(y, moved, moved.scatter) if moved else y)
            new_states += entries_of(part, new)
            pullbacks.append((part, pullback))
        joined = self._joined(self._itself(x, moved), ys)
        shapes, shape = [*map(hollow, ys)], hollow(joined)

        def back(dy: Any, dstates: States) -> tuple[Any, States, Additions]:
            dy = read_dy(type(self).__name__, dy, shape)
            dx, dys = (None, [None] * len(self)) if dy is None else self._parted(dy, shapes)
            dx = moved.gather(dx) if moved and dx is not None else dx
            new_dstates: States = []
            additions: Additions = []
            for (part, pullback), d, dstate in zip(pullbacks, dys, dstates, strict=True):
                d = part.placed(d, moved, moved.gather) if moved else d
                d, new, more = through(part, pullback, d, dstate)
                dx = d if dx is None else dx if d is None else dx + d
                new_dstates += new
                additions += more
            return dx if need_dx else None, new_dstates, additions

        return joined, new_states, back


@storable
class Parallel(Branches):
    """y = (a(x), b(x), ...): each module on the same x, and the tuple of their outputs.

    - `y = heads(x, lengths=None, mask=None)`; `y, state = heads.run(x, state, lengths, mask)`.
    - `(y, state), pullback = heads.vjp(x, ...)`, `dx, dstate = pullback(dy, dstate=None)`: dy is a
      tuple with a gradient for each output, None for zero; dx is the sum of theirs, added in order.

    The state is a tuple with one entry per recurrent layer, as a Sequential's. Modules given by
    keyword have names, `Parallel(tags=..., kind=...)`, which their parameters' begin with. In a
    Sequential it comes last; Concat and Add make one output of several. It has no stream, and a
    Trainer takes one output.

    TypeError or ValueError for what a Sequential refuses of its modules, and of x.

    Examples
    --------
    >>> tags, kind = pyrnn.Linear(4, 3, seed=1), pyrnn.Sequential(pyrnn.MaxPool(), pyrnn.Tanh())
    >>> heads = pyrnn.Parallel(tags=tags, kind=kind)
    >>> model = pyrnn.Sequential(rnn=pyrnn.GRU(2, 4, seed=0), heads=heads)
    >>> tags, kind = model(np.zeros((5, 7, 2), np.float32))
    >>> tags.shape, kind.shape
    ((5, 7, 3), (5, 4))
    """

    gives_several = True

    def step_part(self, batch_size: int) -> BranchStream:
        """TypeError: a step has one output."""
        raise TypeError("Sequential: Parallel gives several outputs: it has no stream")

    def placed(self, y: Any, moved: Mask, move: Callable[[Array], Array]) -> Any:
        if y is None:
            return None
        return tuple(p.placed(one, moved, move) for p, one in zip(self, y, strict=True))

    def _joined(self, x: Any, ys: list[Any]) -> tuple[Any, ...]:
        return tuple(ys)

    def _parted(self, dy: Any, ys: list[Any]) -> tuple[None, list[Any]]:
        return None, list(dy)


class _OneOutput(Branches):
    """Branches whose outputs are arrays that become one."""

    _joins: ClassVar[bool] = False  # whether features come side by side

    def _check_parts(self) -> None:
        owner = type(self).__name__
        for name, part in self.named_parts():
            if part.gives_several:
                raise ValueError(
                    f"{owner}: {in_messages(name, type(part))} gives several outputs, expected one"
                )
        self.drops_time = any(part.drops_time for part in self)
        self.makes_time = any(part.makes_time for part in self)
        self._front = beside(
            [part._features_from() for part in self], self._joins and len(self) > 1
        )

    def _joined(self, x: Any, ys: list[Any]) -> Array:
        for (name, part), y in zip(self.named_parts(), ys, strict=True):
            if not isinstance(y, np.ndarray) or y.dtype.kind != "f":
                came = f"{y.dtype} numbers" if isinstance(y, np.ndarray) else describe(y)
                raise TypeError(
                    f"{type(self).__name__}: {in_messages(name, type(part))} gives {came}, "
                    "expected an array of floats"
                )
        return time_major(self._one(x, ys), self.batch_first)

    def _one(self, x: Any, ys: list[Array]) -> Array:
        """What the outputs become."""
        raise NotImplementedError

    def _check_alike(self, arrays: list[Array], features: int, expected: str) -> None:
        """ValueError for dtypes that differ, and for shapes that do before the last axes."""
        kinds = {(y.dtype, y.ndim, y.shape[: y.ndim - features]) for y in arrays}
        if len(kinds) > 1:
            listed = ", ".join(f"{y.dtype} {y.shape}" for y in arrays)
            raise ValueError(f"{type(self).__name__}: joins {listed}, expected {expected}")


@storable
class Concat(_OneOutput):
    """y = the features of a(x), b(x), ... side by side: outputs joined along their last axis.

    As numpy.concat(axis=-1) of what a Parallel gives, and called as one: `y = concat(x, ...)`,
    `y, state = concat.run(x, state, lengths, mask)`, `(y, state), pullback = concat.vjp(x, ...)`,
    `dx, dstate = pullback(dy, dstate=None)`; each module gets its piece of dy, and dx is the sum of
    theirs, added in order. In a stream, each step joins what the modules give for it. Modules given
    by keyword have names.

    ValueError for outputs that differ in more than their last axis, such as a sequence and a pool's
    vector; TypeError or ValueError for what a Sequential refuses of its modules.

    Examples
    --------
    >>> both = pyrnn.Concat(pyrnn.MaxPool(), pyrnn.MeanPool())
    >>> both(np.array([[[1.0], [3.0], [5.0]]]))  # (1, 3, 1) to (1, 2)
    array([[5., 3.]])
    """

    _joins: ClassVar[bool] = True

    def _one(self, x: Any, ys: list[Array]) -> Array:
        if not all(y.ndim for y in ys):
            raise ValueError("Concat: a module gives one number, expected an axis of features")
        self._check_alike(ys, 1, "outputs that differ in their last axis alone")
        return np.concatenate(ys, axis=-1)

    def _parted(self, dy: Any, ys: list[Any]) -> tuple[None, list[Any]]:
        ends = [*accumulate(y.shape[-1] for y in ys)]
        return None, np.split(dy, ends[:-1], axis=-1)


@storable
class Add(_OneOutput):
    """y = a(x) + b(x) + ..., added in order: the sum of outputs of one shape.

    Called as a Concat; each module's gradient is dy. ValueError for outputs of several shapes;
    TypeError or ValueError for what a Sequential refuses of its modules.

    Examples
    --------
    >>> forward, reverse = pyrnn.GRU(3, 4, seed=0), pyrnn.GRU(3, 4, direction="reverse", seed=1)
    >>> pyrnn.Add(forward, reverse)(np.zeros((2, 5, 3), np.float32)).shape
    (2, 5, 4)
    """

    def _one(self, x: Any, ys: list[Array]) -> Array:
        self._check_alike(ys, 0, "outputs of one shape and dtype")
        y = ys[0]
        for other in ys[1:]:
            y = y + other
        return y

    def _parted(self, dy: Any, ys: list[Any]) -> tuple[Array | None, list[Any]]:
        return None, [dy] * len(ys)


@storable
class Residual(Add):
    """y = x + part(x): a connection around a module that keeps the shape of x.

    He et al. 2016; between the layers of a recurrent network as in Wu et al. 2016 (GNMT). `part`
    may be a Sequential: `Residual(Sequential(LayerNorm(8), GRU(8, 8)))`. Called as a Concat;
    dx = dy + what the part makes of dy. The part is module "0", or has the name it is given with,
    `Residual(rnn=GRU(8, 8))`.

    ValueError for several modules, for one that takes the time axis away, and for an output of
    another shape than x; TypeError for an x of ids.

    Examples
    --------
    >>> block = pyrnn.Residual(pyrnn.GRU(3, 3, seed=0))
    >>> x = np.ones((2, 5, 3), np.float32)
    >>> y, state = block.run(x, lengths=[5, 2])
    >>> np.array_equal(y[0], x[0] + block[0](x[0])[0])
    True
    """

    def _check_parts(self) -> None:
        super()._check_parts()
        self._check_one()
        if self.drops_time:
            name = type(self[0]).__name__
            raise ValueError(f"Residual: {name} takes the time axis away, which x has")

    def _itself(self, x: Any, moved: Mask | None) -> Any:
        return moved.scatter(x) if moved else x

    def _one(self, x: Any, ys: list[Array]) -> Array:
        x = self._read_floats(x)
        self._check_alike([x, *ys], 0, "an output with the shape and dtype of x")
        return super()._one(x, [x, *ys])

    def _parted(self, dy: Any, ys: list[Any]) -> tuple[Array | None, list[Any]]:
        return dy, [dy]
