"""The tape: a module's `forward` as a recording of its parts and operations, and the way back.

What is computed with the Values of a forward, and every part that is called, is noted; the pullback
goes back through the notes, the last one first. The places of nested arguments and results, as
(number, shape, dtype) or None for what is no float, are nested likewise, in lists and dicts.
"""

import copyreg
from collections.abc import Callable
from functools import partial, update_wrapper
from itertools import chain
from typing import Any, TypeVar, cast

import numpy as np

from .. import _core
from .checks import (
    FLOATS,
    Array,
    as_plain_array,
    check_flag,
    describe,
    read_floats,
)
from .description import check_parts, names_of
from .foreign import is_foreign
from .nested import (
    GIVEN_IF_NAMED,
    is_numbers,
    leaves,
    map_places,
    read_arguments,
    read_gradients,
    read_nested,
    snapshot,
    with_zeros,
)
from .operations import At, Result
from .parameter import Parameter
from .pullback import Additions, Pullback, add_arrays
from .value import WAY_OUT, Operand, Value, active, constant, observer, under

NEVER = -1  # the number of what gets no gradient

Place = tuple[Any, ...]  # (number, shape, dtype)
Call = TypeVar("Call", bound=Callable[..., Any])
Note = tuple[Callable[..., None], tuple[Any, ...]]  # a step of the way back, its arguments


class Gradients(_core.WayBack):
    """The gradients of what is on a tape, on the way back; the additions come at its end.

    `take(place)` is all that has arrived for an entry, for the last time, None if nothing has;
    `add(number, gradient)` is one more share of it, `send(places, d, part)` what a part's pullback
    gave for an argument. `go_back(notes)` does each note once, and frees what it held.
    """

    def hand_out(self, place: Place) -> Array | None:
        """The gradient of an input, which its owner may write; None if none is wanted."""
        found = with_zeros(self.take(place), place)
        return None if place[0] < 0 else found if found.flags.writeable else found.copy()

    def of_parameters(self, operands: list[tuple[int, Parameter]]) -> Additions:
        """The additions to the gradients of parameters that were computed with, by number."""
        if not operands:
            return []
        found = [(p, self.take((index,))) for index, p in operands]
        used = [(p, g) for p, g in found if g is not None]
        return add_arrays([p for p, _ in used], [g for _, g in used])

    def _add_other(self, index: int, gradient: Any) -> None:
        """A share that is no array: of a part of the entry, or a number of numpy's."""
        if not isinstance(gradient, At):
            return self.add(index, np.asarray(gradient))
        before: Any = self._found[index]
        if not self._own[index]:
            whole = np.zeros_like(gradient.array)
            self._found[index] = whole if before is None else np.add(whole, before, whole)
            self._own[index] = True
        return gradient.add_into(self._found[index])

    _with_zeros = staticmethod(with_zeros)

    def _send_each(self, inputs: list[Any], result: Any, part: Any) -> None:
        """What a pullback gave for several arguments."""
        if not isinstance(result, tuple) or len(result) < len(inputs):
            raise TypeError(
                f"{type(part).__name__}: its pullback gave {describe(result)}, expected a "
                f"tuple with a gradient for each of {len(inputs)} arguments of floats"
            )
        for place, d in zip(inputs, result, strict=False):
            self.send(place, d, part)

    def _send_nest(self, places: Any, d: Any, part: Any) -> None:
        """What it gave for a nested argument; ValueError for another array than the argument."""
        if isinstance(places, tuple):
            _, shape, dtype = places
            raise ValueError(
                f"{type(part).__name__}: its pullback gave a gradient {describe(d)} of shape "
                f"{np.shape(d)}, expected {dtype} of shape {shape}"
            )
        if isinstance(places, dict):
            for key, place in places.items():
                self.send(place, d[key], part)
        else:
            for place, item in zip(places, d, strict=True):
                self.send(place, item, part)


class Tape(_core.Tape):
    """What a run of a forward has done. Without `recording` it only knows whose its values are.

    `apply(operation, operands, options)` is the result of an operation as a value.
    """

    def __init__(self, module: Any, recording: bool, rng: int | None = None) -> None:
        super().__init__(Value, active, recording, rng)
        self._module, self._owner = module, type(module).__name__
        self._need_dx = False  # whether the inputs get a gradient
        self._wanted = False  # whether what was read since this was reset gets a gradient
        self._operands: dict[int, tuple[int, Parameter]] = {}

    def _read_operands(
        self, operation: Callable[..., Result], operands: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], list[int], dict[str, Any], bool]:
        """(arrays, numbers, options, whether a gradient is wanted) of any operands."""
        read = [x._on(self) if isinstance(x, Operand) else (x, NEVER) for x in operands]
        given = (
            array for (array, _), x in zip(read, operands, strict=True) if isinstance(x, Operand)
        )
        dtype = next((array.dtype for array in given), None)
        arrays = [constant(operation.__name__, array, dtype) for array, _ in read]
        wanted = any(index >= 0 for _, index in read)
        if self._recording and wanted:  # what the caller may write before the way back
            pairs = zip(arrays, operands, strict=True)
            arrays = [a if isinstance(given, Operand) else snapshot(a) for a, given in pairs]
            options = self._copies(options)
        return tuple(arrays), [index for _, index in read], options, wanted

    def _copies(self, options: dict[str, Any]) -> dict[str, Any]:
        return {option: snapshot(given) for option, given in options.items()}

    def place_of(self, parameter: Parameter) -> int:
        """The number of a parameter that is computed with."""
        if not self._recording:
            return NEVER
        key = id(parameter)
        if key not in self._operands:
            self._operands[key] = self._number(), parameter
            self._parameters.append([parameter])
        return self._operands[key][0]

    def call(self, part: Any, call: Any, names: Any, shown: Any, args: Any, options: Any) -> Any:
        """A part's call: in inference just that, in training its vjp, which is noted."""
        self._wanted = False
        read = args, options, part._forward_names or names, self._read, part.stateful
        return self._run(part, call, shown, *read_arguments(*read), self._wanted)

    def _number(self) -> int:
        self._count += 1
        return self._count - 1

    def _read(self, tree: Any) -> tuple[Any, Any]:
        """(the numbers, the places) of an argument or a result."""
        if isinstance(tree, Operand):
            array, index = tree._on(self)
            if index >= 0:
                self._wanted = True
            return array, (index, array.shape, array.dtype)
        if isinstance(tree, np.ndarray):
            is_float = tree.dtype.kind == "f"
            return tree, (NEVER, tree.shape, tree.dtype) if is_float else None
        return read_nested(tree, self._read)

    def _wrapped_nest(self, part: Any, tree: Any, wanted: bool) -> tuple[Any, Any]:
        """(values, places) of a part's outputs that are neither an array nor a tuple."""
        if tree is not None and not isinstance(tree, tuple | list | dict):
            raise TypeError(
                f"{self._owner}: {type(part).__name__} gave {describe(tree)} in forward, expected "
                "arrays, or tuples and dicts of them; a loss is called on what the model returns"
            )
        return read_nested(tree, lambda item: self._wrapped(part, item, wanted))

    def run(self, args: Any, options: Any, need_dx: bool) -> Any:
        """(the outputs, their places, those of the inputs, those of the state) of the forward."""
        owner, module = self._owner, self._module
        names = module._forward_names or ()
        for name in GIVEN_IF_NAMED if options else ():
            if name not in names and options.pop(name, None) is not None:
                raise ValueError(
                    f"{owner}: {name} came, and forward does not name it, expected "
                    f"forward(self, ..., {name}=None), or no {name}"
                )
        self._need_dx = need_dx
        read = args, options, names, self._enter, module.stateful
        given, options, inputs, state = read_arguments(*read)
        outputs = under(self, module.forward, *given, **options)
        plain, places = self._read(outputs)
        made = isinstance(outputs, Operand)
        if not (made or any(isinstance(leaf, Operand) for leaf in leaves(outputs))):
            raise TypeError(
                f"{owner}: forward returned {describe(outputs)}, expected a value that recorded "
                f"operations or parts have made; {WAY_OUT}"
            )
        if module.stateful and not (isinstance(outputs, tuple) and len(outputs) == 2):
            raise TypeError(
                f"{owner}: forward names state and gave {describe(outputs)}, expected (y, state)"
            )
        return plain, places, inputs, state

    @property
    def _dtype(self) -> Any:
        """Of the module's parameters, which a list of floats takes."""
        return next((p.dtype for p in self._module.parameters()), np.dtype(np.float64))

    def _enter(self, tree: Any) -> tuple[Any, Any]:
        """(an input as forward sees it, its places): floats as values, other arrays read-only."""
        if type(tree) is np.ndarray and tree.dtype in FLOATS and tree.dtype.isnative:
            made = self._value(tree, self._number() if self._need_dx else NEVER)
            return made, made._place
        is_list = isinstance(tree, list) and is_numbers(tree)
        if isinstance(tree, tuple | list | dict) and not is_list:
            return read_nested(tree, self._enter)
        if isinstance(tree, np.generic) or not (is_list or is_foreign(tree)):
            return tree, None
        array = as_plain_array(self._owner, "an input", tree, "of numbers")
        if array.dtype.kind == "f":
            given = read_floats(self._owner, "an input", array, None).dtype
            dtype = self._dtype if is_list else given.newbyteorder("=")
            return self._enter(array.astype(dtype, copy=False))
        view = array.view()
        view.flags.writeable = False
        return view, None

    def close(self) -> tuple[list[Any], int, Any, list[Parameter]]:
        """What the way back needs; a value that outlives the forward holds none of it."""
        used = [*dict.fromkeys(chain.from_iterable(self._parameters))]
        kept = self._notes, self._count, [*self._operands.values()], used
        self._notes, self._operands, self._parameters = [], {}, []
        return kept


def infer(module: Any, args: Any, options: dict[str, Any]) -> Any:
    """A call of a module that has a forward."""
    return Tape(module, recording=False).run(args, options, False)[0]


def record(module: Any, args: Any, options: dict[str, Any]) -> tuple[Any, Pullback]:
    """(the outputs, the pullback) of a module that has a forward."""
    owner, stateful = type(module).__name__, module.stateful
    need_dx = check_flag(owner, "need_dx", options.pop("need_dx", True))
    tape = Tape(module, True, options.pop("rng", None))
    try:
        outputs, places, inputs, state = tape.run(args, options, need_dx)
    finally:
        notes, count, operands, parameters = tape.close()
    check_parts(module, parameters)

    kept = [notes]

    def backward(*cotangents: Any) -> tuple[Any, Additions]:
        gradients = Gradients(count)
        given: Any = cotangents[0] if len(cotangents) == 1 else cotangents
        given = [*cotangents, None, None][:2] if stateful else given
        for place, dy in read_gradients(places, given, owner):
            if place[0] >= 0:
                gradients.add(place[0], dy)
        if not kept:
            raise RuntimeError(f"{owner}: this pullback was interrupted; a new one comes from vjp")
        gradients.go_back(kept.pop())
        additions = gradients.additions + gradients.of_parameters(operands)
        dx = tuple([map_places(place, gradients.hand_out) for place in inputs])
        result = dx if len(dx) > 1 else dx[0] if dx else None
        if stateful:
            return (result, map_places(state, gradients.hand_out)), additions
        return result, additions

    return outputs, Pullback(module, backward, parameters)


def recorded(shown: Any = None) -> Callable[[Call], Call]:
    """Decorates a method that calls a module, such that a forward that runs notes it.

    `shown(outputs)` is what the method returns of what vjp does; None: all.
    """
    return partial(_recorded, shown)


def _recorded(shown: Any, call: Call) -> Call:
    noted = partial(_noted, call, names_of(call), shown)
    method = _core.RecordedMethod(call, noted, (active, observer), shown)
    return cast(Call, update_wrapper(method, call))


def _noted(call: Any, names: Any, shown: Any, part: Any, *args: Any, **options: Any) -> Any:
    """A call of a part while a tape runs, or somebody looks on."""
    tape = active.get()
    if tape is None:
        y = call(part, *args, **options)
    else:
        y = tape.call(part, call, names, shown, args, options)
    if (note := observer.get()) is not None:
        note(part, y, args, options)
    return y


# Of a class that cloudpickle sends to another process, as joblib does with what a notebook defines.
copyreg.pickle(_core.RecordedMethod, lambda call: (_recorded, (None, vars(call)["__wrapped__"])))
