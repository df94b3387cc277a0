"""Container: what modules made of modules share: names, layout, dtype, states, the real steps."""

import keyword
from collections.abc import Callable, Iterator
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

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
from .._base.front import Front
from .._base.layout import is_ids, time_major
from .._base.mask import Mask, mask_of_lengths, read_mask
from .._base.module import Module
from .._base.names import dotted
from .._base.pullback import Additions, Pullback, compute
from .._base.tape import recorded
from ._agreement import agreed_dtype, give_layout
from ._sequential_stream import SequentialStream

States = list[Any]
Back = Callable[[Any, States], tuple[Any, States, Additions]]


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


class Container(Module):
    """Modules as the parts of one, named or numbered, with one layout and dtype for all.

    A subclass says how x goes through them: `_run` and `_vjp`, where a mask has moved each row's
    real steps to its front.
    """

    stateful: ClassVar[bool] = True
    random: ClassVar[bool] = True
    made_of_parts: ClassVar[bool] = True
    _shown: ClassVar[Any] = staticmethod(itemgetter(0))  # y alone
    _front = Front()  # also of a pickle that has none
    if TYPE_CHECKING:  # the parts by their names

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, *modules: Module, batch_first: bool | None = None, **named: Module) -> None:
        self._is_named = bool(named)
        parts = self._read_parts(modules, named)
        for name, module in parts.items():
            setattr(self, name, module)
        self._names = tuple(parts)
        self.batch_first = batch_first
        self.dtype = agreed_dtype(self)
        self._check_parts()
        self._agree_on_layout()

    def _agree_on_layout(self) -> None:
        """One layout for all parts."""
        give_layout(self)

    def _check_parts(self) -> None:
        """ValueError for parts that cannot be joined."""

    def _check_one(self) -> None:
        """ValueError for several modules."""
        if len(self) > 1:
            raise ValueError(
                f"{type(self).__name__}: got {len(self)} modules, expected one; combine them in a "
                "Sequential"
            )

    def _run(self, x: Any, states: States, moved: Mask | None) -> tuple[Any, States]:
        """(y, the states of the parts one after the other): inference."""
        raise NotImplementedError

    def _vjp(
        self, x: Any, states: States, moved: Mask | None, need_dx: bool, rng: int | None
    ) -> tuple[Any, States, Back]:
        """The same in training, and the way back: (dx, dstates, additions) of (dy, dstates)."""
        raise NotImplementedError

    def _features_from(self) -> Front:
        return self._front

    def _fronts(self) -> Iterator[Module]:
        """The parts that get x itself."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Module]:
        return (getattr(self, name) for name in self._names)

    def __getitem__(self, i: Any) -> Module:
        """Module i."""
        place = self._places(i)
        if not isinstance(place, int):
            raise TypeError(f"{type(self).__name__}: the index is a slice, expected an integer")
        part: Module = getattr(self, self._names[place])
        return part

    def _places(self, i: Any) -> int | range:
        """An index, or the places of a slice that has any."""
        owner, count = type(self).__name__, len(self)
        try:
            places: int | range = range(count)[i]
        except TypeError:
            raise TypeError(
                f"{owner}: the index is {describe(i)}, expected an integer or a slice"
            ) from None
        except IndexError:
            raise IndexError(f"{owner}: the index is {i}, of {count} modules") from None
        if places == range(0):
            raise IndexError(f"{owner}: {i} holds none of {count} modules, expected at least one")
        return places

    def named_parts(self) -> list[tuple[str, Module]]:
        """(name, part) in order; those without names are "0", "1" and so on."""
        return [(name, getattr(self, name)) for name in self._names]

    @property
    def num_states(self) -> int:
        """The number of recurrent layers."""
        return sum(part.num_states for part in self)

    def __call__(self, x: Any, lengths: Any = None, mask: Any = None) -> Array:
        """y: inference."""
        return self.run(x, None, lengths, mask).y

    @recorded(shown=lambda outputs: Output(*outputs))
    def run(self, x: Any, state: Any = None, lengths: Any = None, mask: Any = None) -> Output:
        """Output(y, state): inference from a state, and the state at the end."""
        x, moved = self._move(x, lengths, mask)
        y, states = self._run(x, self._split("state", state), moved)
        return Output(y, tuple(states))

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
        x, moved = self._move(x, lengths, mask)
        need_dx = check_flag(type(self).__name__, "need_dx", need_dx)
        y, states, back = self._vjp(x, self._split("state", state), moved, need_dx, rng)

        def backward(dy: Any = None, dstate: Any = None) -> tuple[Any, Additions]:
            dx, dstates, additions = back(dy, self._split("dstate", dstate))
            dx = moved.scatter(dx) if moved and dx is not None else dx
            return (dx, tuple(dstates)), additions

        return (y, tuple(states)), Pullback(self, backward, self.parameters())

    def stream(self, batch_size: int = 1) -> SequentialStream:
        """Inference step by step on a snapshot of the weights.

        ValueError if a layer reads backwards; TypeError if a part needs whole sequences.
        """
        owner = f"{type(self).__name__}.stream"
        batch_size = check_size(owner, "batch_size", batch_size)
        parts = self._stream_parts(batch_size)
        return SequentialStream(owner, parts, batch_size, self.batch_first)

    def _stream_parts(self, batch_size: int) -> list[Any]:
        """What a stream runs, one after the other."""
        return [self.step_part(batch_size)]

    def _description(self, name: str, seen: dict[int, str]) -> dict[str, Any]:
        parts = [p._describe(dotted(name, own), seen) for own, p in self.named_parts()]
        config = {"batch_first": self.batch_first}
        names = {"names": list(self._names)} if self._is_named else {}
        return {"class": type(self).__name__, "config": config, "parts": parts, **names}

    def _phrases(self) -> Iterator[str]:
        yield from (f"{n}={p!r}" if self._is_named else repr(p) for n, p in self.named_parts())
        yield from super()._phrases()

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "_count" in state:  # of a pickle from when parts had no names
            state["_names"] = tuple(map(str, range(state.pop("_count"))))
            state["_is_named"] = False
        super().__setstate__(state)

    def _takes(self, name: str, value: Any) -> bool:
        """A part is not replaced: layout and dtype of all were agreed on with it."""
        return name not in self._names and super()._takes(name, value)

    def _read_parts(self, modules: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Module]:
        """The modules by their names, or by their numbers."""
        owner = type(self).__name__
        if modules and named:
            raise TypeError(
                f"{owner}: got {len(modules)} modules without a name and {len(named)} with one, "
                "expected names for all or for none"
            )
        parts = named or {str(i): module for i, module in enumerate(modules)}
        if not parts:
            raise ValueError(f"{owner}: no modules were given, expected at least one")
        for name, module in parts.items():
            if named:
                self._check_name(name)
            if not isinstance(module, Module):
                raise TypeError(f"{owner}: module {name} is {describe(module)}, expected a Module")
        return parts

    def _check_name(self, name: str) -> None:
        """ValueError for a name that could not be read as an attribute, or is one already."""
        owner = type(self).__name__
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise ValueError(
                f"{owner}: a module is named {describe(name)}, expected a name that can be read as "
                "an attribute, such as 'rnn': letters, digits and underscores, a letter first"
            )
        if hasattr(type(self), name) or name in {*vars(self), *Module.__annotations__}:
            raise ValueError(
                f"{owner}: a module is named {describe(name)}, expected another name: every "
                f"{owner} has an attribute {name}"
            )

    def _move(self, x: Any, lengths: Any, mask: Any) -> tuple[Any, Mask | None]:
        """x, lengths and mask, with each row's real steps at its front and zeros after them.

        Lengths are a mask, too: what comes after them must not reach the parts that know of no
        time, such as a Linear in front, and their weights.
        """
        if mask is None and lengths is None:
            return self._in_time_order(x), None
        owner = type(self).__name__
        ids = is_ids(as_plain_array(owner, "x", x, "of numbers"))
        x = read_integers(owner, "x", x) if ids else self._read_floats(x)
        shape = x.shape[: min(2, x.ndim if ids else x.ndim - 1)]  # what follows is a step's
        if x.ndim < (1 if ids else 2):
            raise ValueError(f"{owner}: x has shape {x.shape}, expected a batch or one sequence")
        if mask is None:
            mask, lengths = mask_of_lengths(owner, lengths, shape, self.batch_first), None
        moved = read_mask(owner, mask, lengths, shape, self.batch_first)
        assert moved is not None
        return moved.gather(x), moved

    def _read_floats(self, x: Any) -> Array:
        """x as floats; a list's have the dtype of the parts, arrays are for them to check."""
        dtype = self.input_dtype if isinstance(x, SEQUENCES) else None
        return read_floats(type(self).__name__, "x", x, dtype)

    def _in_time_order(self, x: Any) -> Any:
        """x with time-major memory for parts that work row by row, in the order of memory.

        A recurrent layer in front reads rows wherever they are, and gives time-major ones.
        """
        if all(next(part.forward_path()).stateful for part in self._fronts()):
            return x
        if isinstance(x, SEQUENCES):
            array = as_plain_array(type(self).__name__, "x", x, "of numbers")
            is_float = array.dtype.kind == "f"
            x = self._read_floats(x) if is_float else array
        plain = type(x) is np.ndarray
        return time_major(x, self.batch_first, 2 if is_ids(x) else 3) if plain else x

    def _split(self, name: str, value: Any) -> States:
        """A state, or its gradient, as what each part takes of it."""
        counts = [part.num_states for part in self]
        if value is None:
            return [None] * len(counts)
        owner = type(self).__name__
        if not isinstance(value, tuple):
            raise TypeError(f"{owner}: {name} is {describe(value)}, expected a tuple")
        if len(value) != sum(counts):
            raise ValueError(
                f"{owner}: {name} has {len(value)} entries, "
                f"expected {sum(counts)}, one per recurrent layer"
            )
        rest, entries = iter(value), []
        for part, count in zip(self, counts, strict=True):
            taken = tuple(islice(rest, count))
            entries.append(taken if part.made_of_parts else taken[0] if count else None)
        return entries


def lengths_of(moved: Mask | None) -> Array | None:
    """The lengths of the rows whose real steps a mask has moved to their front."""
    return moved.lengths if moved else None


def entries_of(part: Module, state: Any) -> States:
    """The entries that a part's state makes in the whole state."""
    return (list(state) if part.made_of_parts else [state]) if part.stateful else []


def through(part: Module, pullback: Any, dy: Any, dstate: Any) -> tuple[Any, States, Additions]:
    """(dx, the entries of dstate, additions) of a part; of None, where no gradient came, None."""
    if part.stateful:
        (dx, new), additions = compute(pullback, dy, dstate)
        return dx, entries_of(part, new), additions
    if dy is None:
        return None, [], []
    dx, additions = compute(pullback, dy)
    return dx, [], additions


def back_through(
    pullbacks: list[tuple[Module, Any]], dy: Any, dstates: States
) -> tuple[Any, States, Additions]:
    """The same through parts one after the other, the last one first: (dx, dstates, additions)."""
    new_dstates: States = []
    additions: Additions = []
    for (part, pullback), dstate in zip(reversed(pullbacks), reversed(dstates), strict=True):
        dy, new, more = through(part, pullback, dy, dstate)
        new_dstates[:0] = new
        additions += more
    return dy, new_dstates, additions


def hollow(y: Any) -> Any:
    """An array of the shape of y that takes no memory; of a tuple, such arrays."""
    if isinstance(y, tuple):
        return tuple(map(hollow, y))
    return np.broadcast_to(y.dtype.type(0), y.shape)


def read_dy(owner: str, dy: Any, y: Any) -> Any:
    """The gradient of an array y, or of a tuple of some; None is zero."""
    if dy is None:
        return None
    if not isinstance(y, tuple):
        dy = read_floats(owner, "dy", dy, y.dtype)
        check_shape(owner, "dy", dy, y.shape, "the shape of y")
        return dy
    if not isinstance(dy, tuple | list) or len(dy) != len(y):
        came = f"has {len(dy)} entries" if isinstance(dy, tuple | list) else f"is {describe(dy)}"
        raise ValueError(
            f"{owner}: dy {came}, expected a tuple with one for each of {len(y)} outputs"
        )
    return tuple(read_dy(owner, d, one) for d, one in zip(dy, y, strict=True))
