"""Sequential: modules one after the other."""

from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple, overload

import numpy as np

from .._base.checks import (
    SEQUENCES,
    Array,
    as_plain_array,
    check_flag,
    check_shape,
    check_size,
    describe,
    read_floats,
    read_integers,
)
from .._base.layout import is_ids, time_major
from .._base.mask import Mask, mask_of_lengths, read_mask
from .._base.module import Module, storable
from .._base.prediction import works_along_time
from .._base.pullback import Additions, Pullback, compute
from .._base.tape import recorded
from ._stream import SequentialStream


class Output(NamedTuple):
    """What `Sequential.run` returns: y, and a tuple with the state of every recurrent layer.

    Examples
    --------
    >>> model = pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), pyrnn.Linear(4, 2, seed=1))
    >>> output = model.run(np.zeros((2, 5, 3), np.float32))
    >>> output.y.shape, [h.shape for h in output.state]
    ((2, 5, 2), [(1, 2, 4)])
    >>> y, state = output
    """

    y: Array
    state: tuple[Any, ...]


@storable
class Sequential(Module):
    """Modules one after the other: each takes the output of the one before.

    - `y = model(x, lengths=None, mask=None)`: inference; x (N, T, F), or (N, T) of ids.
    - `y, state = model.run(x, state=None, lengths=None, mask=None)` carries a state on: a tuple
      with one entry per recurrent layer, those of inner Sequentials included; `()` if there is
      none. An entry, or all of it, may be None (zero).
    - `(y, state), pullback = model.vjp(x, ...)`, `dx, dstate = pullback(dy=None, dstate=None)`.

    `batch_first` is the layout of all parts: True, x (N, T, F), unless it or a part says False,
    x (T, N, F). Parts that say nothing follow, inner Sequentials too. Inside, arrays
    are time-major in memory either way, so no bit depends on it.

    Recurrent and time-aware modules get `lengths`; a module of your own that takes none gets each
    row's own steps alone (see Module). A mask moves each row's real steps to its front before the
    first module and back after the last. `model[i]`, `len(model)` and iteration give the modules, a
    slice such as `model[:-1]` a Sequential that shares them; parameters are named "0.weight_ih_l0"
    as torch's.

    TypeError for what is no Module. ValueError for no modules, for modules that disagree in
    batch_first or dtype, also with a Sequential that they are already part of, for a time axis
    needed after LastStep or a pool, and for a LastStep whose `bidirectional` is not that of the
    recurrent layer in front.

    Examples
    --------
    >>> gru, linear = pyrnn.GRU(3, 4, seed=0), pyrnn.Linear(4, 2, seed=1)
    >>> model = pyrnn.Sequential(gru, pyrnn.LastStep(), linear)
    >>> x = np.ones((2, 5, 3), np.float32)
    >>> model(x, lengths=[5, 3]).shape
    (2, 2)
    >>> (y, state), pullback = model.vjp(x)
    >>> dx, dstate = pullback(np.ones_like(y))  # adds into every parameter's .grad
    >>> linear.bias.grad
    array([2., 2.], dtype=float32)
    """

    stateful: ClassVar[bool] = True
    random: ClassVar[bool] = True
    made_of_parts: ClassVar[bool] = True
    _shown: ClassVar[Any] = staticmethod(itemgetter(0))  # y alone

    def __init__(self, *modules: Module, batch_first: bool | None = None) -> None:
        if not modules:
            raise ValueError("Sequential: no modules were given, expected at least one")
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: module {i} is {describe(module)}, expected a Module")
            setattr(self, str(i), module)
        self._count = len(modules)
        self.batch_first = batch_first
        self.dtype = self._agreed_dtype()
        self._check_time_axis()
        self._give_layout()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, i: int) -> Module: ...
    @overload
    def __getitem__(self, i: slice) -> "Sequential": ...
    def __getitem__(self, i: int | slice) -> Module:
        """Module i; of a slice, a Sequential of the same modules: it shares their parameters."""
        chosen = _chosen(i, self._count)
        if isinstance(chosen, range):
            return Sequential(*(self[k] for k in chosen), batch_first=self.batch_first)
        part: Module = getattr(self, str(chosen))
        return part

    def __iter__(self) -> Iterator[Module]:
        return (self[i] for i in range(self._count))

    @property
    def num_states(self) -> int:
        """The number of recurrent layers."""
        return sum(part.num_states for part in self)

    def forward_path(self) -> Iterator[Module]:
        return (step for part in self for step in part.forward_path())

    def __call__(self, x: Any, lengths: Any = None, mask: Any = None) -> Array:
        """y: inference."""
        return self.run(x, None, lengths, mask).y

    @recorded(shown=lambda outputs: Output(*outputs))
    def run(self, x: Any, state: Any = None, lengths: Any = None, mask: Any = None) -> Output:
        """Output(y, state): inference from a state, and the state at the end."""
        x, lengths, moved = self._move(x, lengths, mask)
        states: list[Any] = []
        for part, entry in zip(self, self._split("state", state), strict=True):
            x, new = part.run_part(x, entry, lengths)
            states += _entries(part, new) if part.stateful else []
            if moved and not part.keeps_time(x, moved.steps, single=moved.single):
                moved = lengths = None
        return Output(moved.scatter(x) if moved else x, tuple(states))

    def run_part(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        return self.run(x, state, lengths)

    def vjp(
        self,
        x: Any,
        state: Any = None,
        lengths: Any = None,
        mask: Any = None,
        *,
        need_dx: bool = True,
        rng: int | None = None,
    ) -> tuple[tuple[Array, tuple[Any, ...]], Pullback]:
        """((y, state), pullback): training; `rng` numbers the masks of every dropout.

        After an error or an interrupt in the pullback .grad is as before, but a new vjp is needed:
        some modules have already released what they saved.
        """
        x, lengths, moved = self._move(x, lengths, mask)
        need_dx = check_flag("Sequential", "need_dx", need_dx)
        states: list[Any] = []
        pullbacks: list[tuple[Module, Any]] = []
        moved_y = moved
        for part, entry in zip(self, self._split("state", state), strict=True):
            (x, new), pullback = part.vjp_part(x, entry, lengths, need_dx=need_dx, rng=rng)
            states += _entries(part, new) if part.stateful else []
            pullbacks.append((part, pullback))
            need_dx = need_dx or bool(part.parameters())
            if moved_y and not part.keeps_time(x, moved_y.steps, single=moved_y.single):
                moved_y = lengths = None
        y = moved_y.scatter(x) if moved_y else x

        def backward(dy: Any = None, dstate: Any = None) -> tuple[Any, Additions]:
            if moved_y and dy is not None:
                dy = read_floats("Sequential", "dy", dy, y.dtype)
                check_shape("Sequential", "dy", dy, y.shape, "the shape of y")
                dy = moved_y.gather(dy)
            dx, dstates, additions = self._backward(pullbacks, dy, dstate)
            dx = moved.scatter(dx) if moved and dx is not None else dx
            return (dx, dstates), additions

        return (y, tuple(states)), Pullback(self, backward, self.parameters())

    def _description(self, name: str, seen: dict[int, str]) -> dict[str, Any]:
        parts = [p._describe(f"{name}.{i}" if name else str(i), seen) for i, p in enumerate(self)]
        config = {"batch_first": self.batch_first}
        return {"class": "Sequential", "config": config, "parts": parts}

    def stream(self, batch_size: int = 1) -> SequentialStream:
        """Inference step by step on a snapshot of the weights.

        ValueError if a layer is bidirectional; TypeError if a part needs whole sequences.
        """
        batch_size = check_size("Sequential.stream", "batch_size", batch_size)
        steps = (part.step_part(batch_size) for part in self)
        passed = [step for step in steps if step is not None]
        return SequentialStream(passed, batch_size, self.batch_first)

    def step_part(self, batch_size: int) -> SequentialStream:
        """The same as `stream`, for a Sequential around it."""
        return self.stream(batch_size)

    def __repr__(self) -> str:
        shown = [*map(repr, self), *([] if self.batch_first else ["batch_first=False"])]
        return f"Sequential({', '.join(shown)})"

    def _backward(
        self, pullbacks: list[tuple[Module, Any]], dy: Any, dstate: Any
    ) -> tuple[Any, tuple[Any, ...], Additions]:
        """Back through all parts; what they add to .grad is left to be done at the end."""
        dx, additions = dy, Additions()
        dstates: list[Any] = []
        entries = self._split("dstate", dstate)
        for (part, pullback), entry in zip(reversed(pullbacks), reversed(entries), strict=True):
            if part.stateful:
                (dx, new), more = compute(pullback, dx, entry)
                dstates[:0] = _entries(part, new)
            elif dx is not None:
                dx, more = compute(pullback, dx)
            else:  # no gradient came this far
                continue
            additions += more
        return dx, tuple(dstates), additions

    def _move(self, x: Any, lengths: Any, mask: Any) -> tuple[Any, Any, Mask | None]:
        """x, lengths and mask, with each row's real steps at its front and zeros after them.

        Lengths are a mask, too: what comes after them must not reach the parts that know of no
        time, such as a Linear in front, and their weights.
        """
        if mask is None and lengths is None:
            return self._in_time_order(x), None, None
        ids = is_ids(as_plain_array("Sequential", "x", x, "of numbers"))
        x = read_integers("Sequential", "x", x) if ids else self._read_floats(x)
        shape = x.shape[: min(2, x.ndim if ids else x.ndim - 1)]  # what follows is a step's
        if x.ndim < (1 if ids else 2):
            raise ValueError(f"Sequential: x has shape {x.shape}, expected a batch or one sequence")
        if mask is None:
            mask, lengths = mask_of_lengths("Sequential", lengths, shape, self.batch_first), None
        moved = read_mask("Sequential", mask, lengths, shape, self.batch_first)
        assert moved is not None
        return moved.gather(x), moved.lengths, moved

    def _read_floats(self, x: Any) -> Array:
        """x as floats; a list's have the dtype of the parts, arrays are for them to check."""
        dtype = self.input_dtype if isinstance(x, SEQUENCES) else None
        return read_floats("Sequential", "x", x, dtype)

    def _in_time_order(self, x: Any) -> Any:
        """x with time-major memory for parts that work row by row, in the order of memory.

        A recurrent layer in front reads rows wherever they are, and gives time-major ones.
        """
        if next(self.forward_path()).stateful:
            return x
        if isinstance(x, SEQUENCES):
            array = as_plain_array("Sequential", "x", x, "of numbers")
            is_float = array.dtype.kind == "f"
            x = self._read_floats(x) if is_float else array
        plain = type(x) is np.ndarray
        return time_major(x, self.batch_first, 2 if is_ids(x) else 3) if plain else x

    def _give_layout(self) -> None:
        """One layout to all parts: the Sequential's own, else that of parts that have one."""
        parts = [(i, module) for i, part in enumerate(self) for module in part.speakers()]
        words = [m for _, m in parts if _says_layout(m)] + [part for part in self if part._is_part]
        if not self._says_layout and words:
            self._layout = words[0].batch_first
        for i, part in enumerate(self):
            if part._is_part and part.batch_first != self.batch_first:
                raise ValueError(
                    f"Sequential: module {i} ({type(part).__name__}) is part of a Sequential with "
                    f"batch_first={part.batch_first}, expected {self.batch_first} as this one's"
                )
        for i, module in parts:
            if _says_layout(module) and module.batch_first != self.batch_first:
                raise ValueError(
                    f"Sequential: module {i}: {type(module).__name__} has "
                    f"batch_first={module.batch_first}, expected {self.batch_first}: "
                    "the modules disagree in batch_first"
                )
        for _, module in parts:
            if module._layout != self.batch_first:  # a Sequential's parts have its layout
                for each in module.modules() if module.made_of_parts else [module]:
                    each._layout = self.batch_first
        self._says_layout = self._says_layout or bool(words)
        for _, module in parts:
            module._is_part = True

    def _split(self, name: str, value: Any) -> list[Any]:
        """A state, or its gradient, as what each part takes of it."""
        counts = [part.num_states for part in self]
        if value is None:
            return [None] * len(counts)
        if not isinstance(value, tuple):
            raise TypeError(f"Sequential: {name} is {describe(value)}, expected a tuple")
        if len(value) != sum(counts):
            raise ValueError(
                f"Sequential: {name} has {len(value)} entries, "
                f"expected {sum(counts)}, one per recurrent layer"
            )
        rest, entries = iter(value), []
        for part, count in zip(self, counts, strict=True):
            taken = tuple(islice(rest, count))
            entries.append(taken if part.made_of_parts else taken[0] if count else None)
        return entries

    def _agreed_dtype(self) -> np.dtype[Any]:
        """The dtype of all parts that have one; float32 if none has."""
        speakers = (module for part in self for module in part.speakers())
        parts = [m for m in speakers if hasattr(m, "dtype") and m._says_dtype]
        dtypes = {part.dtype for part in parts}
        if len(dtypes) > 1:
            listed = ", ".join(f"{type(part).__name__} {part.dtype}" for part in parts)
            raise ValueError(f"Sequential: the modules disagree in dtype: {listed}")
        self._says_dtype = bool(parts)
        return dtypes.pop() if dtypes else np.dtype(np.float32)

    def _check_time_axis(self) -> None:
        """Follows the time axis through the parts: refuses what needs one that is gone, or a
        LastStep with the wrong directions."""
        front: Module | None = None  # the recurrent layer whose features arrive here
        dropper: Module | None = None  # the part that has taken the time axis away
        for i, part in enumerate(self):
            if dropper and works_along_time(part):
                raise ValueError(
                    f"Sequential: module {i} ({type(part).__name__}) needs the time axis, "
                    f"which a {type(dropper).__name__} in front has taken away"
                )
            if front:
                part.check_front(f"Sequential: module {i} ({type(part).__name__})", front)
            if part.drops_time or part.makes_time:
                dropper = part if part.drops_time else None
                self.makes_time = dropper is None
            if not part.keeps_features:
                front = part if part.stateful and not part.made_of_parts else None
        self.drops_time = dropper is not None


def _chosen(i: Any, count: int) -> int | range:
    """An index, or the places of a slice that has any."""
    try:
        chosen: int | range = range(count)[i]
    except TypeError:
        raise TypeError(
            f"Sequential: the index is {describe(i)}, expected an integer or a slice"
        ) from None
    except IndexError:
        raise IndexError(f"Sequential: the index is {i}, of {count} modules") from None
    if chosen == range(0):
        raise IndexError(f"Sequential: {i} holds none of {count} modules, expected at least one")
    return chosen


def _says_layout(module: Module) -> bool:
    """Whether a module was given its layout, or its class has one."""
    return module._says_layout or not isinstance(type(module).batch_first, property)


def _entries(part: Module, state: Any) -> list[Any]:
    """The entries that a part's state makes in the whole state."""
    return list(state) if part.made_of_parts else [state]
