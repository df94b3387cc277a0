"""Module, the base of every layer."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar, TypeVar, overload

import numpy as np

from .checks import (
    Array,
    check_mapping,
    describe,
    describe_all,
)
from .description import (
    as_json,
    check_describable,
    constructor,
    describe_forward,
    extra_states,
    kept_options,
)
from .freezing import Freezable, frozen_names
from .front import Front
from .names import dotted
from .parameter import Parameter
from .part import Part
from .prediction import predict
from .settings import Settings
from .steps import CoreStep, steps_of
from .summary import Summarised
from .tape import infer, record, recorded
from .tensor_file import check_suffix, write_tensors
from .weights import LoadReport, fitting_weights, write_all

Class = TypeVar("Class", bound=type)

STORABLE: dict[str, type["Module"]] = {}  # by name: the only classes that a file can name


def storable(cls: Class) -> Class:
    """A class of pyrnn's own, which files may name."""
    STORABLE[cls.__name__] = cls
    return cls


class Module(Settings, Part, Summarised, Freezable):
    """A part of a network: holds Parameters and Modules as attributes, in the order of assignment.

    A subclass assigns its parts in `__init__` and defines `forward(self, x, ...)`: what it gives
    for its arguments, computed with its parts, arithmetic and what else a `Value` takes. A call
    runs it; `vjp` runs it once more as a recording, and the pullback goes back through that.

    - `y = module(*inputs)`; `y, pullback = module.vjp(*inputs, need_dx=True, rng=None)`;
      `dx = pullback(dy)`. Inputs and y are arrays, or tuples, named tuples, lists and dicts of
      them; dy is nested as y is, or one argument for each of several outputs, None for zero. dx is
      nested as x is; of several arguments with floats a tuple with one for each, in their order.
    - `state`, `lengths` and `mask` are for a forward that names them: Sequential, predict and
      Trainer give them to it, a mask where it names no lengths. One that names state returns
      `(y, state)`: `dx, dstate = pullback(dy, dstate)`; given the state of a piece of a sequence,
      it goes on with the next piece, which truncated BPTT and streams rely on.
    - It depends on its arguments and parameters alone, draws by Dropout, writes nothing.

    TypeError or ValueError for what is not recorded. Or a subclass defines `__call__` (inference)
    and `vjp` (training: the output and a pullback) itself. Lists of parts are not searched.
    Sequential relies on these class attributes, or on the arguments of `forward`:

    - `stateful`: take `state, lengths, mask`, return `(y, state)`.
    - `time_aware`: take `lengths`.
    - `stepwise`: the output at a step depends on x at this step alone, and is finite for zeros.
    - `random`: vjp takes `rng`. `reads_backwards`: no output is known before the last step.
    - `drops_time`: the output has no time axis. `makes_time`: it has one that x has not.
    - `keeps_features`: the output has the features of x, each at its place.
    - `gives_several`: the output is a tuple, as that of a Parallel, whose part may be anywhere.
    - `makes_mask`: `mask_after(x, mask)` says which steps are real for what follows.

    A module that is none of the first three may make of the time axis what it likes: of a batch of
    different lengths it gets the rows of one length at a time, so that it never meets padding.
    `stepwise` spares that, `time_aware` leaves the lengths to it.

    x comes sample first, (N, T, F), or (T, N, F) where `batch_first` is False, which a Sequential
    says for all its parts; its memory is time-major either way.

    Files rely on `made_of_parts` (iterating gives the parts that make it again) and
    `parts_from_config` (the constructor makes them); data on `takes_ids`: x is integers. Trainer
    relies on `takes_target`: take `target, target_lengths`, sequences of their own lengths,
    and have `wanted(target, target_lengths)`, the classes and lengths that the output is compared
    with; and on `makes_probabilities`: a loss that takes logits does not fit the output.

    Examples
    --------
    >>> class Residual(pyrnn.Module):  # y = x + tanh(W x + b)
    ...     stepwise = True
    ...
    ...     def __init__(self, size):
    ...         self.linear = pyrnn.Linear(size, size, seed=0)
    ...
    ...     def forward(self, x):
    ...         return x + pyrnn.tanh(self.linear(x))
    >>> model = pyrnn.Sequential(Residual(3), pyrnn.GRU(3, 4, seed=1))
    >>> (y, state), pullback = model.vjp(np.zeros((2, 5, 3), np.float32))
    >>> dx, dstate = pullback(np.ones_like(y))
    >>> y.shape, dx.shape
    ((2, 5, 4), (2, 5, 3))
    """

    stateful: ClassVar[bool] = False
    time_aware: ClassVar[bool] = False
    stepwise: bool = False
    random: ClassVar[bool] = False
    training_options: ClassVar[frozenset[str]] = frozenset()  # numbers that inference does not read
    reads_backwards: bool = False
    takes_target: ClassVar[bool] = False
    takes_ids: ClassVar[bool] = False
    drops_time: bool = False
    makes_time: bool = False
    keeps_features: ClassVar[bool] = False
    makes_probabilities: ClassVar[bool] = False
    gives_several: bool = False
    makes_mask: ClassVar[bool] = False
    made_of_parts: ClassVar[bool] = False
    parts_from_config: ClassVar[bool] = False
    _not_pickled: ClassVar[frozenset[str]] = frozenset()

    _shown: ClassVar[Any] = None  # what a call returns of what vjp does, a function; None: all
    _says_dtype: bool = True  # whether `dtype`, where there is one, has to be that of other parts

    dtype: np.dtype[Any]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__call__" in vars(cls):
            cls.__call__ = recorded()(vars(cls)["__call__"])  # type: ignore[method-assign]
        if "forward" in vars(cls) and "vjp" not in vars(cls):
            if cls.vjp is not Module.vjp:
                raise TypeError(
                    f"{cls.__name__}: forward came, and {cls.vjp.__qualname__} would train "
                    "something else, expected a vjp, or a base class without one"
                )
            describe_forward(cls)
            if "__call__" not in vars(cls):  # nor may one that is inherited compute another model
                cls.__call__ = Module.__call__  # type: ignore[method-assign]

    @recorded()
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inference: nothing is saved and nothing is dropped."""
        if self._forward_names is None:
            raise NotImplementedError(f"{type(self).__name__} defines neither forward nor __call__")
        return infer(self, args, kwargs)

    def vjp(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Training: the output and a pullback, which sends a gradient back and adds to .grad."""
        if self._forward_names is None:
            raise NotImplementedError(f"{type(self).__name__} defines neither forward nor vjp")
        return record(self, args, kwargs)

    @overload
    def predict(self, x: Array, lengths: Any = None, batch_size: int | None = None) -> Array: ...
    @overload
    def predict(self, x: Any, lengths: Any = None, batch_size: int | None = None) -> Any: ...
    def predict(self, x: Any, lengths: Any = None, batch_size: int | None = None) -> Any:
        """The outputs for the samples of x, `batch_size` at a time (None: 32), sample first.

        x is all that a Trainer takes, whatever `batch_first` is: an array (N, T, F) or (N, T) of
        ids, with `lengths` (N,) for padded ones, (N, F) or (N,) without time; a list of N arrays
        (T_i, F) or (T_i,), or a PackedSequence of torch; a dataset; a dict of several inputs by the
        names of the forward's parameters. Floats are cast to the module's dtype. The result is
        (N, T, F), 0 after a sample's length, or (N, F) for one output per sequence; of a list or
        another ragged dataset a list of arrays (T_i, F), also where all are equally long. TypeError
        or ValueError for what does not fit.
        """
        return predict(self, x, lengths, batch_size)

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """(dotted name, module) of self ("") and all parts, depth first, each once."""
        return ((prefix, module) for prefix, module, _ in _walk(self))

    def modules(self) -> Iterator["Module"]:
        """Self and all parts, depth first, each once."""
        return (module for _, module in self.named_modules())

    def speakers(self) -> Iterator["Module"]:
        """Self and its parts, without those inside a container that already reports for them."""
        return (module for _, module, _ in _walk(self, lambda module: not module.made_of_parts))

    def in_one_layout(self) -> Iterator["Module"]:
        """Self and the parts in its layout: not those of a part that gives them another one."""
        return (module for _, module, _ in _walk(self, lambda module: not module._keeps_layout))

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """(dotted name, parameter), names as torch's; a shared parameter once."""
        named: dict[int, tuple[str, Parameter]] = {}
        for name, parameter in self._parameter_names():
            named.setdefault(id(parameter), (name, parameter))
        return list(named.values())

    def _parameter_names(self) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter) under all its names."""
        for prefix, _, own in _walk(self):
            for name, parameter in own:
                yield dotted(prefix, name), parameter

    def forward_path(self) -> Iterator["Module"]:
        """The parts in the order in which x meets them, as far as it has its axes; self alone."""
        yield self

    def takers_of_ids(self) -> Iterator["Module"]:
        """The Embeddings that get x as it is, as far as the parts tell; of a forward none."""
        yield from [self] if self.takes_ids else []

    @property
    def num_states(self) -> int:
        """How many entries a state of a Sequential has for this module."""
        return int(self.stateful)

    def _features_from(self) -> Front:
        """Which recurrent layers the features of the output come from."""
        return Front((self,) if self.stateful else (), passes=self.keeps_features)

    def check_front(self, owner: str, front: Front) -> None:
        """ValueError if this does not fit the recurrent layers whose features arrive here."""

    def check_ids(self, ids: Array, name: str = "x") -> None:
        """ValueError for ids out of range, of a module that takes some; `name` is theirs."""

    def step_part(self, batch_size: int) -> Any:
        """What a stream of a Sequential runs for this module, with `step`, `run` and `states` as a
        Stream has them; None where a step passes as it is."""
        return steps_of(self)

    def core_step(self) -> CoreStep | None:
        """How the core computes a step of a stream; None: it calls the module. What a subclass says
        here holds for its own `__call__`."""
        return None

    def matrices(self) -> dict[str, Parameter]:
        """The module's own parameters that `quantize` rounds, by name."""
        return {}

    def parameters(self) -> list[Parameter]:
        """All parameters, those of the parts included, each once."""
        found = {id(parameter): parameter for _, _, own in _walk(self) for _, parameter in own}
        return list(found.values())

    def num_parameters(self) -> int:
        """The number of elements, frozen ones included; what is shared counts once."""
        return sum(parameter.size for parameter in self.parameters())

    def zero_grad(self) -> None:
        """Sets every gradient to zero."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, Array]:
        """{name: copy of the values}; the names and shapes are torch's."""
        return {name: parameter.data.copy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, mapping: Any, *, prefix: str = "", strict: bool = True) -> LoadReport:
        """Writes the parameters: all that `strict` asks for, or nothing if something does not fit
        or Ctrl-C comes.

        `mapping` has arrays by name, such as a live `state_dict` of torch, or is the path of a file
        of safetensors. `prefix` is where this module stands in a larger one: "encoder.rnn.". With
        strict=False names may be missing and left over: the result lists them. Floats of another
        width are cast (bfloat16 and half to float32 exactly); tensors may require grad.

        ValueError lists all missing, unexpected and misshaped names at once, and those of numbers
        too large for the dtype, or if no name is a parameter's; OSError for a file that cannot be
        read, ValueError for one of another format: a pickle is refused, as reading it may run code,
        with the line that converts it.
        """
        owner, named = f"{type(self).__name__}.load_state_dict", dict(self.named_parameters())
        arrays, report = fitting_weights(owner, named, mapping, prefix, strict)
        write_all(named, arrays)
        return report

    def extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the parameters: JSON values, of this module alone."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `extra_state` returned; ValueError if it does not fit."""
        state = check_mapping(type(self).__name__, "state", state)
        if set(state) != set(self.extra_state()):
            raise ValueError(
                f"{type(self).__name__}: state has the keys {describe_all(state)}, "
                f"expected {describe_all(self.extra_state())}"
            )

    def config(self) -> dict[str, Any]:
        """The constructor's keywords as JSON values, read from the attributes of the same name.

        Without `seed`, whose work is done once the module is made.
        """
        return {name: as_json(getattr(self, name)) for name in constructor(type(self))}

    def save(self, path: Any) -> None:
        """Writes weights and configuration to one safetensors file, for `pyrnn.load(path)`.

        Atomic: after a crash the path holds the whole old file or the whole new one. A class of
        your own is stored by its name and its constructor's arguments, which have to be attributes
        of the same names; `pyrnn.load(path, classes=[Net])` makes it again. What is frozen stays
        so.
        OSError with the path if it cannot be written; TypeError if a part cannot be described;
        ValueError for the suffix of another format, such as ".pt".
        """
        check_suffix(f"{type(self).__name__}.save", path)
        write_tensors(path, *self._stored())

    def _stored(self) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
        """What a file holds: the weights by name, and a description as JSON."""
        named = self.named_parameters()
        stored = {id(parameter): name for name, parameter in named}
        ties = {n: stored[id(p)] for n, p in self._parameter_names() if stored[id(p)] != n}
        tensors = {name: parameter.stored() for name, parameter in named}
        extra = extra_states(self)
        description = {"model": self._describe("", {}), "ties": ties, "extra_state": extra}
        return tensors, {**description, "frozen": frozen_names(named)}

    def _takes(self, name: str, value: Any) -> bool:
        """A parameter may be replaced by another one of its shape, which ties the two."""
        if name == "batch_first":
            return self._takes_layout()
        tied = vars(self).get(name)
        if self._maker is None or not isinstance(tied, Parameter):
            return super()._takes(name, value)
        owner = type(self).__name__
        if not isinstance(value, Parameter):
            raise TypeError(
                f"{owner}: {name} is {describe(value)}, expected a Parameter to be tied to; "
                f"{name}[...] = value writes its values"
            )
        if (value.shape, value.dtype) != (tied.shape, tied.dtype):
            raise ValueError(
                f"{owner}: {name} is a Parameter of {value.dtype} and shape {value.shape}, "
                f"expected {tied.dtype} and {tied.shape}"
            )
        return True

    def _close(self) -> None:
        super()._close()
        if self.parts_from_config:
            for part in islice(self.modules(), 1, None):
                part._is_part = True

    def _describe(self, name: str, seen: dict[int, str]) -> dict[str, Any]:
        """Class and configuration as JSON values; a module met before by its name."""
        if id(self) in seen:
            return {"shared": seen[id(self)]}
        seen[id(self)] = name
        has_parts = any(isinstance(value, Module) for value in vars(self).values())
        check_describable(self, STORABLE, has_parts)
        return self._description(name, seen)

    def _description(self, name: str, seen: dict[int, str]) -> dict[str, Any]:
        return {"class": type(self).__name__, "config": self.config()}

    def _options(self) -> dict[str, Any]:
        """Those that it keeps, where the class says nothing; batch_first None comes to True."""
        own = type(self).config is not Module.config
        options = self.config() if own else kept_options(self, self._defaults())
        return {name: v for name, v in options.items() if (name, v) != ("batch_first", True)}

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in self._not_pickled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "batch_first" in state:  # of a pickle from when it was an attribute of its own
            self.batch_first = vars(self).pop("batch_first")


PLAIN = frozenset({bool, float, int, str, tuple, type(None)})  # most attributes: no need to ask


def _walk(
    top: Module, enters: Callable[[Module], bool] = lambda module: True
) -> list[tuple[str, Module, list[tuple[str, Parameter]]]]:
    """(name, module, its own parameters by name) of a module and its parts, depth first; of the
    parts of those only that it enters."""
    found: list[tuple[str, Module, list[tuple[str, Parameter]]]] = []
    seen: set[int] = set()
    waiting = [("", top)]
    while waiting:
        prefix, module = waiting.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        own, parts = [], []
        for name, value in vars(module).items():
            if type(value) in PLAIN:
                continue
            if isinstance(value, Parameter):
                own.append((name, value))
            elif isinstance(value, Module):
                parts.append((dotted(prefix, name), value))
        found.append((prefix, module, own))
        waiting += reversed(parts) if enters(module) else ()
    return found
