"""Optimizer: the base of all, which walks the parameters and keeps a state for each."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ._checks import Array, check_number
from ._module import Module
from ._parameter import Parameter

State = dict[str, Array]
Parameters = Module | Iterable[Parameter]


class Optimizer:
    """Base of all optimizers: walks the parameters, keeps a step count and arrays for each.

    A subclass hands its constructor's keywords, `lr` among them, to `super().__init__`, finds them
    in `options`, and writes `init_one` and `update_one`. Of the options `lr` may change later:
    a schedule sets `optimizer.lr = ...` between steps.
    """

    def __init__(self, **options: Any) -> None:
        self.options: dict[str, Any] = options
        self._steps: dict[str, int] = {}
        self._states: dict[str, State] = {}
        self.lr = options["lr"]

    @property
    def lr(self) -> float:
        """The learning rate, finite and > 0."""
        return float(self.options["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        self.options["lr"] = self.check("lr", value, positive=True)

    def init_one(self, parameter: Parameter) -> State:
        """The arrays that the first step needs for one parameter, by name."""
        raise NotImplementedError

    def update_one(self, array: Array, grad: Array, state: State, step: int) -> None:
        """Updates one parameter's array and its state in place; `step` counts from 1."""
        raise NotImplementedError

    def step(self, parameters: Parameters) -> None:
        """Updates every parameter from its `.grad`.

        `parameters` is a Module (remembered by its parameters' names) or a list of Parameters
        (remembered by position: pass the same list each time). Gradients are taken as they are,
        NaN included; `clip_grad_norm` refuses such. ValueError if a parameter's shape or dtype is
        not the one remembered; then, and if memory runs out, nothing has changed.
        """
        named = named_parameters(type(self).__name__, parameters)
        new = {name: self.init_one(p) for name, p in named if name not in self._states}
        for name, parameter in named:
            if name not in new:
                self._check_state(name, parameter)
        self._states.update(new)
        for name, parameter in named:
            step = self._steps.get(name, 0) + 1
            with parameter.writing() as array:
                self.update_one(array, parameter.grad, self._states[name], step)
            self._steps[name] = step

    def state_dict(self) -> dict[str, Any]:
        """Copies: {"options": keywords, "steps": {name: int}, "state": {name: {key: array}}}."""
        state = {
            name: {key: array.copy() for key, array in self._states[name].items()}
            for name in self._steps
        }
        return {"options": dict(self.options), "steps": dict(self._steps), "state": state}

    def load_state_dict(self, mapping: Mapping[str, Any]) -> None:
        """Takes over a copy of what `state_dict` returned; ValueError, with nothing changed, if
        it comes from another class or its numbers are out of range."""
        owner = type(self).__name__
        options, steps, state = (mapping.get(key) or {} for key in ("options", "steps", "state"))
        if set(options) != set(self.options):
            raise ValueError(
                f"{owner}: options are {sorted(options)}, expected {sorted(self.options)}"
            )
        if set(steps) != set(state):
            raise ValueError(f"{owner}: steps and state do not name the same parameters")
        states = {
            name: {key: np.array(array, order="C") for key, array in arrays.items()}
            for name, arrays in state.items()
        }
        self.options = type(self)(**options).options  # the constructor checks them
        self._steps, self._states = {name: int(count) for name, count in steps.items()}, states

    def check(
        self, name: str, value: Any, *, positive: bool = False, below: float = math.inf
    ) -> float:
        """An option that is a number >= 0 (or > 0 if `positive`) and < `below`."""
        number = check_number(type(self).__name__, name, value)
        if not (0 < number < below or (number == 0 and not positive)):
            low, high = "0 <" if positive else "0 <=", f" < {below:g}" if below < math.inf else ""
            raise ValueError(
                f"{type(self).__name__}: {name} is {number}, "
                f"expected a finite number, {low} {name}{high}"
            )
        return number

    def _check_state(self, name: str, parameter: Parameter) -> None:
        """ValueError unless the arrays kept under this name are the parameter's."""
        for key, array in self._states[name].items():
            if array.shape != parameter.shape or array.dtype != parameter.dtype:
                raise ValueError(
                    f"{type(self).__name__}: parameter {name!r} is {parameter.dtype} of shape "
                    f"{parameter.shape}, but its {key} is {array.dtype} of shape {array.shape}: "
                    "use one optimizer per model"
                )

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"{type(self).__name__}({options})"


def named_parameters(owner: str, parameters: Parameters) -> list[tuple[str, Parameter]]:
    """The parameters with a name each: a Module's own names, or the positions in a list."""
    if isinstance(parameters, Module):
        return parameters.named_parameters()
    named = [(str(position), parameter) for position, parameter in enumerate(parameters)]
    for position, parameter in named:
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"{owner}: parameters[{position}] is a {type(parameter).__name__}, "
                "expected a Parameter"
            )
    if len({id(parameter) for _, parameter in named}) < len(named):
        raise ValueError(f"{owner}: parameters holds one Parameter twice")
    return named
