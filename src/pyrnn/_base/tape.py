"""The tape: a module's `forward` as a recording of its parts and operations, and the way back.

What is computed with the Values of a forward, and every part that is called, is noted; the pullback
goes back through the notes, the last one first. The places of nested arguments and results, as
(number, shape, dtype) or None for what is no float, are nested likewise, in lists and dicts.
"""

import copyreg
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
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
    is_none,
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
from .pullback import Additions, Pullback, add_arrays, compute
from .value import WAY_OUT, Operand, Value, active, constant, observer, under, value

NEVER = -1  # the number of what gets no gradient

Place = tuple[Any, ...]  # (number, shape, dtype)
Call = TypeVar("Call", bound=Callable[..., Any])
Note = tuple[Callable[..., None], tuple[Any, ...]]  # a step of the way back, its arguments


class Gradients:
    """The gradients of what is on a tape, on the way back; the additions come at its end."""

    def __init__(self, count: int) -> None:
        self._found: list[Array | None] = [None] * count
        self._own: set[int] = set()  # those that nobody else has seen
        self.additions: Additions = []

    def take(self, place: Place) -> Array | None:
        """All that has arrived for an entry, for the last time; None if nothing has."""
        index = place[0]
        if index < 0:
            return None
        found = self._found[index]
        self._found[index] = None
        return found

    def hand_out(self, place: Place) -> Array | None:
        """The gradient of an input, which its owner may write; None if none is wanted."""
        found = with_zeros(self.take(place), place)
        return None if place[0] < 0 else found if found.flags.writeable else found.copy()

    def add(self, index: int, gradient: Array | At) -> None:
        """One more share of an entry's gradient."""
        before: Any = self._found[index]
        if before is None and type(gradient) is np.ndarray:
            self._found[index] = gradient
        elif isinstance(gradient, At):
            if index not in self._own:
                whole = np.zeros_like(gradient.array)
                self._found[index] = whole if before is None else np.add(whole, before, whole)
                self._own.add(index)
            gradient.add_into(self._found[index])
        elif before is None:
            self._found[index] = np.asarray(gradient)
        elif index in self._own:
            np.add(before, gradient, before)
        else:
            self._found[index] = np.add(before, gradient)
            self._own.add(index)

    def through_operation(self, own: int, indices: list[int], pulls: Sequence[Any]) -> None:
        """From the result of an operation to its operands."""
        gradient = self._found[own]
        if gradient is not None:
            self._found[own] = None
            for i, index in enumerate(indices):
                if index >= 0:
                    self.add(index, pulls[i](gradient))

    def through_part(
        self, part: Any, pullback: Any, outputs: Any, inputs: list[Any], state: Any
    ) -> None:
        """From the outputs of a part to its arguments."""
        single, stateful = isinstance(outputs, tuple), part.stateful
        found: Any = self.take(outputs) if single else map_places(outputs, self.take)
        if found is None or (not single and is_none(found)):
            return
        if not single and not stateful:  # which alone promises to take None for zero
            found = with_zeros(found, outputs)
        cotangents = found if type(found) is tuple else (found,)
        result, more = compute(pullback, *cotangents)
        self.additions += more
        if stateful:
            result, d_state = result
            self.send(state, d_state, part)
        if len(inputs) == 1:
            self.send(inputs[0], result, part)
        elif inputs and (not isinstance(result, tuple) or len(result) < len(inputs)):
            raise TypeError(
                f"{type(part).__name__}: its pullback gave {describe(result)}, expected a "
                f"tuple with a gradient for each of {len(inputs)} arguments of floats"
            )
        elif inputs:
            for place, d in zip(inputs, result, strict=False):
                self.send(place, d, part)

    def send(self, places: Any, d: Any, part: Any) -> None:
        """Adds what a part's pullback gave for one of its arguments."""
        if places is None or d is None:
            return
        if isinstance(places, tuple):
            index, shape, dtype = places
            if type(d) is not np.ndarray or d.shape != shape or d.dtype != dtype:
                raise ValueError(
                    f"{type(part).__name__}: its pullback gave a gradient {describe(d)} of shape "
                    f"{np.shape(d)}, expected {dtype} of shape {shape}"
                )
            if index >= 0:
                self.add(index, d)
        elif isinstance(places, dict):
            for key, place in places.items():
                self.send(place, d[key], part)
        else:
            for place, item in zip(places, d, strict=True):
                self.send(place, item, part)


class Tape:
    """What a run of a forward has done. Without `recording` it only knows whose its values are."""

    def __init__(self, module: Any, recording: bool, rng: int | None = None) -> None:
        self._module, self._owner = module, type(module).__name__
        self._recording, self._rng = recording, rng
        self._count = 0
        self._wanted = False  # whether what was read since this was reset gets a gradient
        self._notes: list[Note] = []
        self._operands: dict[int, tuple[int, Parameter]] = {}
        self._parameters: list[Sequence[Parameter]] = []  # of parts, too

    def apply(
        self, operation: Callable[..., Result], operands: tuple[Any, ...], options: dict[str, Any]
    ) -> Value:
        """The result of an operation as a value."""
        dtype, arrays, indices, wanted, alike = None, [], [], False, True
        for operand in operands:
            if isinstance(operand, Operand):
                array, index = operand._on(self)
                dtype = array.dtype if dtype is None else dtype
                alike = alike and array.dtype is dtype
                wanted = wanted or index >= 0
            else:
                array, index, alike = operand, NEVER, False
            arrays.append(array)
            indices.append(index)
        if not alike:
            name = operation.__name__
            arrays = [constant(name, array, dtype) for array in arrays]
        if self._recording and wanted:  # what the caller may write before the way back
            pairs = zip(arrays, operands, strict=True)
            arrays = [a if isinstance(given, Operand) else snapshot(a) for a, given in pairs]
            options = {option: snapshot(given) for option, given in options.items()}
        y, pulls = operation(*arrays, **options)
        if type(y) is not np.ndarray:
            y = np.asarray(y)
        if not wanted:
            return value(self, y, NEVER)
        own, self._count = self._count, self._count + 1
        self._notes.append((Gradients.through_operation, (own, indices, pulls)))
        return value(self, y, own)

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
        given = [option for option in options.values() if option is not None] if options else ()
        if len(args) == 1 and not given and type(args[0]) is Value:  # most calls
            array, index = args[0]._on(self)
            keywords: dict[str, Any] = options
            wanted = index >= 0
            plain, inputs, state = [array], [(index, array.shape, array.dtype)], None
        else:
            self._wanted = False
            names = part._forward_names or names
            read = args, options, names, self._read, part.stateful
            plain, keywords, inputs, state = read_arguments(*read)
            wanted = self._wanted
        if not self._recording:
            return self._wrapped(part, under(None, call, part, *plain, **keywords), False)[0]
        if not wanted:
            keywords["need_dx"] = False
        if self._rng is not None and part.random:
            keywords["rng"] = self._rng
        outputs, pullback = under(None, part.vjp, *plain, **keywords)
        if not isinstance(pullback, Pullback):
            wanted = True  # it adds to what it likes
        elif pullback._parameters:
            wanted = True
            self._parameters.append(pullback._parameters)
        values, places = self._wrapped(part, outputs, wanted)
        if wanted:
            note = (part, pullback, places, inputs, state)
            self._notes.append((Gradients.through_part, note))
        return values if shown is None else shown(values)

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

    def _wrapped(self, part: Any, tree: Any, wanted: bool) -> tuple[Any, Any]:
        """(values, places) of a part's outputs."""
        if isinstance(tree, np.ndarray):
            dtype, index = tree.dtype, NEVER
            if dtype.kind != "f":
                return tree, None
            if wanted:
                index, self._count = self._count, self._count + 1
            return value(self, tree, index), (index, tree.shape, dtype)
        if type(tree) is tuple:  # most of what is no array
            both = [self._wrapped(part, item, wanted) for item in tree]
            return tuple([item for item, _ in both]), [place for _, place in both]
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
        enter = partial(self._enter, wanted=need_dx)
        read = args, options, names, enter, module.stateful
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

    def _enter(self, tree: Any, wanted: bool) -> tuple[Any, Any]:
        """(an input as forward sees it, its places): floats as values, other arrays read-only."""
        if type(tree) is np.ndarray and tree.dtype in FLOATS and tree.dtype.isnative:
            index = self._number() if wanted else NEVER
            return value(self, tree, index), (index, tree.shape, tree.dtype)
        is_list = isinstance(tree, list) and is_numbers(tree)
        if isinstance(tree, tuple | list | dict) and not is_list:
            return read_nested(tree, lambda item: self._enter(item, wanted))
        if isinstance(tree, np.generic) or not (is_list or is_foreign(tree)):
            return tree, None
        array = as_plain_array(self._owner, "an input", tree, "of numbers")
        if array.dtype.kind == "f":
            given = read_floats(self._owner, "an input", array, None).dtype
            dtype = self._dtype if is_list else given.newbyteorder("=")
            return self._enter(array.astype(dtype, copy=False), wanted)
        view = array.view()
        view.flags.writeable = False
        return view, None

    def close(self) -> tuple[list[Note], int, Any, list[Parameter]]:
        """What the way back needs; a value that outlives the forward holds none of it."""
        used = {id(p): p for parameters in self._parameters for p in parameters}
        kept = self._notes, self._count, [*self._operands.values()], [*used.values()]
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

    def refuse(_: Gradients) -> None:
        raise RuntimeError(f"{owner}: this pullback was interrupted; a new one comes from vjp")

    def backward(*cotangents: Any) -> tuple[Any, Additions]:
        gradients = Gradients(count)
        given: Any = cotangents[0] if len(cotangents) == 1 else cotangents
        given = [*cotangents, None, None][:2] if stateful else given
        for place, dy in read_gradients(places, given, owner):
            if place[0] >= 0:
                gradients.add(place[0], dy)
        steps, notes[:] = notes.copy(), [(refuse, ())]  # each is done once, and frees what it held
        while steps:
            step, arguments = steps.pop()
            step(gradients, *arguments)
        found = [(p, gradients.take((index,))) for index, p in operands]
        used = [(p, g) for p, g in found if g is not None]
        additions = gradients.additions + add_arrays([p for p, _ in used], [g for _, g in used])
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
    return cast(Call, update_wrapper(_core.RecordedMethod(call, noted, (active, observer)), call))


def _noted(call: Any, names: Any, shown: Any, part: Any, *args: Any, **options: Any) -> Any:
    """A call of a part while a tape runs, or somebody looks on."""
    tape = active.get()
    if tape is None:
        y = call(part, *args, **options)
    else:
        y = tape.call(part, call, names, shown or part._shown, args, options)
    if (note := observer.get()) is not None:
        note(part, y, args, options)
    return y


# Of a class that cloudpickle sends to another process, as joblib does with what a notebook defines.
copyreg.pickle(_core.RecordedMethod, lambda call: (_recorded, (None, vars(call)["__wrapped__"])))
