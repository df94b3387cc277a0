"""Modules in a stream of a Sequential: on each step by itself, or with a state carried on."""

import copy
from typing import Any, NamedTuple

import numpy as np

from .checks import SEQUENCES, Array, as_plain_array, describe


class CoreStep(NamedTuple):
    """How the core computes a part of a stream: its word for it, and its options after the features
    where it has to be told them."""

    word: str
    options: tuple[Any, ...] = ()
    inputs: int | None = None  # features of x; None: any, which are told to the core
    outputs: int | None = None  # None: as many as x has
    dtype: Any = None  # None: that of x
    takes_ids: bool = False


class StepByStep:
    """A module that works on each step by itself."""

    states: tuple[Any, ...] = ()
    step: Any
    run: Any

    def __init__(self, module: Any) -> None:
        self.step = self.run = module

    def core_steps(self) -> list[CoreStep] | None:
        """What the core computes for it; None: it does not know the module."""
        step = core_step_of(self.run)
        return None if step is None else [step]

    def __repr__(self) -> str:
        return repr(self.run)


class ForwardSteps:
    """A module with a forward, which gets a step as a sequence of one.

    One that names state gets that of the step before, None at first.
    """

    def __init__(self, module: Any) -> None:
        self._module, self._state = module, None
        self._time = 1 if module.batch_first else 0

    def __repr__(self) -> str:
        return repr(self._module)

    def step(self, x: Any) -> Array:
        y: Array = self.run(np.expand_dims(self._read(x), self._time)).squeeze(self._time)
        return y

    def run(self, x: Any) -> Array:
        x = self._read(x)
        y: Array
        y, state = self._module.run_part(x, self._state)
        if not self._module.keeps_time(y, x.shape[self._time]):
            raise ValueError(
                f"{type(self._module).__name__}: forward gives {describe(y)} of shape {y.shape} "
                f"for x {x.shape}, expected an output for each step: in a stream"
            )
        self._state = state
        return y

    def _read(self, x: Any) -> Array:
        """x as an array; the floats of a list have the module's dtype."""
        array = as_plain_array(type(self._module).__name__, "x", x, "of numbers")
        cast = isinstance(x, SEQUENCES) and array.dtype.kind == "f"
        return array.astype(self._module.input_dtype) if cast else array

    @property
    def states(self) -> tuple[Any, ...]:
        """A copy of the state."""
        return (copy.deepcopy(self._state),) if self._module.stateful else ()

    @states.setter
    def states(self, states: tuple[Any, ...]) -> None:
        (self._state,) = states


def core_step_of(module: Any) -> CoreStep | None:
    """The module's own word; None if it has none, or if a subclass computes something else."""
    classes = type(module).__mro__
    computes = next(cls for cls in classes if "__call__" in vars(cls))
    describes = next(cls for cls in classes if "core_step" in vars(cls))
    step: CoreStep | None = module.core_step() if issubclass(describes, computes) else None
    return step


def steps_of(module: Any) -> StepByStep | ForwardSteps:
    """What a stream of a Sequential runs for a module; TypeError or ValueError if it needs more
    than a step and a state."""
    name = type(module).__name__
    if not module.has_forward:
        if module.stateful or module.time_aware:
            raise TypeError(f"Sequential: {name} needs whole sequences: it has no stream")
        return StepByStep(copy.deepcopy(module))
    if not (module.stateful or module.stepwise):
        raise TypeError(
            f"Sequential: {name} has a forward, which may look at all steps: it has no stream, "
            "unless the class says stepwise = True, or its forward names state and carries it on"
        )
    backwards = (part for part in module.modules() if part.reads_backwards)
    if (part := next(backwards, None)) is not None:
        raise ValueError(
            f"Sequential: {name} has a {type(part).__name__} that starts at the end: it has no "
            "stream"
        )
    return ForwardSteps(copy.deepcopy(module))
