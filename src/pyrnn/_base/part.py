"""A module as a part of something larger, on rows of different lengths.

One that takes no lengths gets the rows of one length at a time: it meets no padding, whatever it
makes of the time axis, and a row gives what it gives alone.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from .checks import Array, check_flag, describe
from .layout import is_ids, steps_as_given, steps_first
from .mask import mask_of_lengths
from .pullback import Additions, Pullback, compute
from .settings import options


class Part:
    """What can be run as a part, whatever it takes, in the layout of all: the base of Module."""

    _layout: bool | None = None  # what batch_first comes to; None: what the parts say
    _says_layout: bool = False  # whether batch_first was given: here, or to a Sequential's parts
    _keeps_layout: ClassVar[bool] = False  # whether its parts have a layout of their own
    # Of a layer that a trace looks into: (self, x, state), its inside.
    _inside: ClassVar[Any] = None
    _gives_weights: ClassVar[bool] = False  # whether a call gives (y, attention's weights)
    _is_part: bool = False  # of another module, which has the word on the layout

    @property
    def batch_first(self: Any) -> bool:
        """Whether x is (N, T, F): as it was given, or as the Sequential around says; else True.

        A module that takes no such argument follows the first of its parts that works along time.
        """
        layout: bool | None = self._layout
        if layout is None:
            parts = (part for part in self.modules() if part is not self)
            layout = next((p.batch_first for p in parts if p.stateful or p.time_aware), True)
        return layout

    @batch_first.setter
    def batch_first(self: Any, value: bool | None) -> None:
        owner = type(self).__name__
        self._layout = True if value is None else check_flag(owner, "batch_first", value)
        self._says_layout = value is not None

    @property
    def input_dtype(self: Any) -> np.dtype[Any] | None:
        """The dtype of floats in x: that of this module or of the first part that has one, else
        that of a parameter. None: float32 or float64."""
        parts = (part for part in self.modules() if part._says_dtype)
        of_parts = (getattr(part, "dtype", None) for part in parts)
        of_weights = (parameter.dtype for parameter in self.parameters())
        found = next((dtype for dtype in chain(of_parts, of_weights) if dtype is not None), None)
        return None if found is None else np.dtype(found)

    _width: ClassVar[str | None] = None  # the option with the size, or sizes, of the features of x

    @property
    def _widths(self: Any) -> tuple[int, ...]:
        """The sizes of the features of x, of a part that says them; none of ids."""
        width = () if self.takes_ids else getattr(self, self._width)
        return width if isinstance(width, tuple) else (width,)

    def keeps_time(self: Any, y: Array, steps: int, *, single: bool = False) -> bool:
        """Whether y, what this makes of `steps` steps, of one sequence if `single`, has them too:
        (N, T, ...) or (N, T) of ids in its layout; not one entry per sequence, nor other steps."""
        if not isinstance(y, np.ndarray):
            raise TypeError(
                f"{type(self).__name__}: its output is {describe(y)}, expected one array: nothing "
                "says which of several have steps"
            )
        time = 0 if single or not self.batch_first else 1
        axes = (1 if single else 2) + (not is_ids(y))
        kept = not (self.drops_time or self.makes_time)
        return bool(kept and y.ndim >= axes and y.shape[time] == steps)

    def placed(self: Any, y: Any, moved: Any, move: Callable[[Array], Array]) -> Any:
        """y, or its gradient, moved to or from the places that a mask gives its steps, if it has
        those of x; None stays."""
        keeps = y is not None and self.keeps_time(y, moved.steps, single=moved.single)
        return move(y) if keeps else y

    _forward_names: ClassVar[tuple[str, ...] | None] = None  # the arguments of a class's forward

    @property
    def has_forward(self) -> bool:
        """Whether calls and vjp run a `forward` of the class."""
        return self._forward_names is not None

    def told(self: Any, x: Array, lengths: Any) -> dict[str, Any]:
        """The keywords of a call that tell the lengths of x, as what takes some has them."""
        if self._forward_names is None or "lengths" in self._forward_names:
            return {"lengths": lengths}
        if lengths is None:
            return {}
        owner = type(self).__name__
        if "mask" not in self._forward_names:
            raise ValueError(
                f"{owner}: x has rows of different lengths, which its forward does not take, "
                "expected forward(self, x, state=None, lengths=None)"
            )
        shape = x.shape[: 1 if _is_one(x) else 2]
        return {"mask": mask_of_lengths(owner, lengths, shape, self.batch_first)}

    def run_part(self: Any, x: Any, state: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """(y, state): a call; state is None where there is none. Of a dict of several inputs, they
        are all that a forward is told."""
        if isinstance(x, dict):
            y = self(**x, **({"state": state} if self.stateful else {}))
            return y if self.stateful else (y, None)
        if self.stateful:
            y, state = self(x, state=state, **self.told(x, lengths))
            return y, state
        if self.time_aware:
            return self(x, **self.told(x, lengths)), None
        if lengths is None or self.stepwise:
            return self(x), None
        by_length = ByLength(self, x, lengths)
        results = by_length.run(lambda rows: (self(rows), None), x)
        return by_length.outputs([y for y, _ in results]), None

    def vjp_part(
        self: Any,
        x: Any,
        state: Any = None,
        lengths: Any = None,
        *,
        need_dx: bool = True,
        rng: int | None = None,
    ) -> tuple[tuple[Any, Any], Any]:
        """((y, state), pullback): a vjp."""
        options: dict[str, Any] = {"need_dx": need_dx} | ({"rng": rng} if self.random else {})
        if isinstance(x, dict):
            given = {"state": state} if self.stateful else {}
            y, pullback = self.vjp(**x, **given, **options)
            return y if self.stateful else (y, None), pullback
        if self.stateful:
            output, pullback = self.vjp(x, state=state, **self.told(x, lengths), **options)
            return output, pullback
        if self.time_aware:
            y, pullback = self.vjp(x, **self.told(x, lengths), **options)
        elif lengths is None or self.stepwise:
            y, pullback = self.vjp(x, **options)
        else:
            by_length = ByLength(self, x, lengths)
            results = by_length.run(partial(self.vjp, **options), x)
            y = by_length.outputs([y for y, _ in results])
            backward = partial(by_length.backward, [back for _, back in results])
            pullback = Pullback(self, backward, self.parameters())
        return (y, None), pullback

    def _takes_layout(self: Any) -> bool:
        """Whether batch_first may be set: what is a part or has some has agreed on it with the
        others. A user's own module may get one while it is made, and there is no way to tell when
        that ends.
        """
        if self._maker is None:
            return not (self._is_own or self._is_part)
        has_parts = any(isinstance(part, Part) for part in vars(self).values())
        return not (self._is_part or has_parts) and "batch_first" in options(self._maker)


class ByLength:
    """The rows of a batch x by their `lengths` (N,), or one sequence by its length (1,).

    Arrays are in the layout of `module`; what is split is copied, its memory time-major.
    """

    def __init__(self, module: Any, x: Array, lengths: Array) -> None:
        self._module = module
        self._one = _is_one(x)
        self._rows, self._steps = len(lengths), len(self._by_time(x))
        several = np.unique(lengths)[::-1].tolist() or [self._steps]
        self._groups = [(steps, np.flatnonzero(lengths == steps)) for steps in several]
        self._has_steps = True  # of the outputs

    def run(self, function: Callable[[Array], tuple[Array, Any]], x: Array) -> list[Any]:
        """(y, pullback) of the rows of each length, the longest first.

        Rows without steps are left out where outputs have steps: they have none, and a module need
        not take an empty time axis.
        """
        results: list[tuple[Array, Any]] = []
        for rows, (steps, _) in zip(self.split(x), self._groups, strict=True):
            if results and not steps and self._have_steps([y for y, _ in results]):
                self._groups = self._groups[:-1]
                break
            results.append(function(rows))
        return results

    def split(self, array: Array, *, has_steps: bool = True) -> list[Array]:
        """For each length the rows of an array that has steps, less their padding, or has none."""
        if not has_steps:
            return [array] if self._one else [array[rows] for _, rows in self._groups]
        by_time = self._by_time(array)
        return [self._to_layout(by_time[:steps, rows]) for steps, rows in self._groups]

    def join(self, arrays: list[Array], *, has_steps: bool = True) -> Array:
        """The inverse, zeros after the lengths."""
        first, dtype = arrays[0], np.result_type(*arrays)
        if not has_steps and self._one:
            return first
        if not has_steps:
            joined = np.zeros((self._rows, *first.shape[1:]), dtype)
            for array, (_, rows) in zip(arrays, self._groups, strict=True):
                joined[rows] = array
            return joined
        joined = np.zeros((self._steps, self._rows, *first.shape[1 if self._one else 2 :]), dtype)
        for array, (steps, rows) in zip(arrays, self._groups, strict=True):
            joined[:steps, rows] = self._by_time(array)
        return self._to_layout(joined)

    def outputs(self, outputs: list[Array]) -> Array:
        """The module's outputs for what was split, joined; ValueError if they do not belong
        together."""
        self._has_steps = self._have_steps(outputs)
        features = {y.shape[1 + (self._has_steps and not self._one) :] for y in outputs}
        if len(features) > 1:
            shapes = {n: y.shape for y, (n, _) in zip(outputs, self._groups, strict=True)}
            raise ValueError(
                f"{type(self._module).__name__}: the outputs have the shapes {shapes} by the rows' "
                "number of steps, expected one entry for each step, or no time axis"
            )
        return self.join(outputs, has_steps=self._has_steps)

    def backward(self, pullbacks: list[Any], dy: Array) -> tuple[Array | None, Additions]:
        """dx, joined from what the pullbacks of what was split make of dy, and their additions."""
        dxs: list[Any] = []
        additions: Additions = []
        for pullback, rows in zip(
            pullbacks, self.split(dy, has_steps=self._has_steps), strict=True
        ):
            dx, more = compute(pullback, rows)
            dxs.append(dx)
            additions += more
        return (None if any(dx is None for dx in dxs) else self.join(dxs)), additions

    def _have_steps(self, outputs: list[Array]) -> bool:
        """Whether outputs, those of the first groups, have the steps of x."""
        return all(
            self._module.keeps_time(y, steps, single=self._one)
            for y, (steps, _) in zip(outputs, self._groups, strict=False)
        )

    def _by_time(self, array: Array) -> Array:
        return steps_first(array, self._module.batch_first, self._one)

    def _to_layout(self, by_time: Array) -> Array:
        return steps_as_given(by_time, self._module.batch_first, self._one)


def _is_one(x: Array) -> bool:
    """Whether x is one sequence, (T,) of ids or (T, F), and no batch."""
    return x.ndim == (1 if is_ids(x) else 2)
