"""Optimizer: the base of all, which walks the parameters and keeps a state for each."""

import inspect
import math
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._base.checks import (
    Array,
    as_plain_array,
    check_flag,
    check_list,
    check_mapping,
    check_number,
    check_size,
    describe,
)
from .._base.description import constructor
from .._base.freezing import trained
from .._base.parameter import Parameter
from .._base.runtime import num_threads
from .._base.shown import html_table, short
from ._groups import (
    Grouped,
    Groups,
    Named,
    NamedParameters,
    Options,
    Parameters,
    check_rates,
    named_parameters,
)

State = dict[str, Array]


class Optimizer(Grouped):
    """Base of all optimizers: walks the parameters, keeps a step count and arrays for each.

    `groups` gives some parameters options of their own, as torch's parameter groups:
    `Adam(1e-3, groups=[{"params": model[0], "lr": 1e-4}, {"params": biases, "eps": 1e-6}])`.
    "params" is a Module, a Parameter or several, or a pattern of parameters' names, as Python's
    fnmatch has them, or several: `Adam(1e-3, groups={"0.*": {"lr": 1e-4}})` says in short
    `groups=[{"params": "0.*", "lr": 1e-4}]`. Patterns choose among the parameters of the first
    step, or those of the Trainer. What a group does not name, and every parameter in no group, has
    the constructor's options. TypeError or ValueError for a group without "params", an option that
    there is not or is out of range, a pattern that matches no name, and a parameter in two groups.

    A subclass hands its constructor's keywords, `lr` among them, to `super().__init__`, and writes
    `init_one` and `update_one`, which get the options of the parameter's group. `update_one` gets
    the gradient with its sign turned where an option `maximize` is True. Of the options `lr` alone
    may change later, by hand (`optimizer.lr = 1e-4`, which is the optimizer's
    own rate from then on) or by schedules, which multiply its own rate.

    An optimizer belongs to the parameters of its first step: what it remembers of them is of no
    use to others, and `step` refuses parameters that have taken their names.

    Examples
    --------
    >>> class SignSGD(pyrnn.optim.Optimizer):
    ...     def __init__(self, lr=1e-3, *, groups=None):
    ...         super().__init__(lr=lr, groups=groups)
    ...     def init_one(self, parameter, options):
    ...         return {}
    ...     def update_one(self, array, grad, state, step, options):
    ...         array -= options["lr"] * np.sign(grad)
    >>> layer = pyrnn.Linear(3, 1, seed=0)
    >>> layer.bias[...] = 1.0
    >>> layer.bias.grad[:] = 7.0
    >>> SignSGD(0.25).step(layer)
    >>> layer.bias.data
    array([0.75], dtype=float32)
    """

    _always_shown = ("lr",)
    _looked_at: weakref.ref[NamedParameters] | None = None  # of the last step, if it may come again

    def __init__(self, *, groups: Groups | None = None, **options: Any) -> None:
        if "lr" not in options:
            raise TypeError(f"{type(self).__name__}: lr is missing, expected a learning rate")
        options["lr"] = self.check("lr", options["lr"])
        self._set_groups(options, groups)
        # What schedules multiply; empty: the rates of the groups.
        self._own_lrs: tuple[float, ...] = ()
        self._schedules: tuple[Any, ...] = ()  # those that act
        self._steps: dict[str, int] = {}
        self._states: dict[str, State] = {}
        self._known: dict[str, weakref.ref[Parameter]] = {}  # whose the states are

    @property
    def lr(self) -> float:
        """The learning rate of the parameters in no group, finite and >= 0."""
        return self.lrs[0]

    @lr.setter
    def lr(self, value: float) -> None:
        self.set_own_lr(0, value)

    def set_own_lr(self, number: int, value: float) -> None:
        """Sets the learning rate of the group of that number, and what schedules multiply there."""
        rates, owns = list(self.lrs), list(self.own_lrs)
        rates[number] = owns[number] = value
        self._set_rates(rates)
        self._own_lrs = tuple(owns)

    @property
    def steps(self) -> int:
        """The number of steps so far, those of the parameter that has taken most."""
        return max(self._steps.values(), default=0)

    @property
    def lrs(self) -> tuple[float, ...]:
        """The learning rate of each group; the first is `lr`. For reading."""
        return tuple(float(options["lr"]) for options in self._groups)

    @property
    def own_lrs(self) -> tuple[float, ...]:
        """The learning rate of each group without schedules: what they multiply."""
        return self._own_lrs or self.lrs

    @property
    def schedules(self) -> tuple[Any, ...]:
        """The schedules that the learning rates follow."""
        return self._schedules

    def follow(self, *schedules: Any) -> None:
        """Sets each learning rate to the own one times the factors of these schedules, which act
        together from here on; for schedules and the Trainer."""
        owns, factors = self.own_lrs, [(s.group, s.factor(s.count)) for s in schedules]
        self._set_rates(
            [
                lr * math.prod(factor for group, factor in factors if group in (None, number))
                for number, lr in enumerate(owns)
            ]
        )
        self._own_lrs, self._schedules = owns, schedules

    def _set_rates(self, values: Sequence[float]) -> None:
        """The learning rates, checked, for the next step."""
        checked = [self.check("lr", value) for value in values]
        for options, value in zip(self._groups, checked, strict=True):
            options["lr"] = value

    def init_one(self, parameter: Parameter, options: Options) -> State:
        """The arrays that the first step needs for one parameter, by name."""
        raise NotImplementedError

    def update_one(
        self, array: Array, grad: Array, state: State, step: int, options: Options
    ) -> None:
        """Updates one parameter's array and its state in place; `step` counts from 1."""
        raise NotImplementedError

    def step(self, parameters: Parameters) -> None:
        """Updates every parameter from its `.grad`; frozen ones, and their state, stay as they are.

        `parameters` is a Module (remembered by its parameters' names) or a list of Parameters
        (remembered by position: pass the same list each time). Gradients are taken as they are,
        NaN included; `clip_grad_norm` refuses such. ValueError if a parameter, its shape or dtype
        is not the one remembered, or a group's parameter is not among them; then, and if memory
        runs out, nothing has changed.
        """
        named = named_parameters(type(self).__name__, parameters)
        options, updated = self._options_of(named), trained(named)
        same = self._looked_at is not None and self._looked_at() is named
        if not same or any(name not in self._states for name, _ in updated):
            self._look_at(named, updated, options)
        for name, parameter in updated:
            step, state = self._steps.get(name, 0) + 1, self._states[name]
            own, grad = options[name], parameter.grad
            with parameter.writing() as array:
                grad = np.negative(grad) if own.get("maximize") else grad
                self.update_one(array, grad, state, step, own)
            self._steps[name] = step

    def _look_at(self, named: Named, updated: Named, options: dict[str, Options]) -> None:
        """Makes states for those that have none; ValueError if one is not what is remembered."""
        new = {n: self.init_one(p, options[n]) for n, p in updated if n not in self._states}
        for name, parameter in named:
            if name in self._states:
                self._check_state(name, parameter)
        self.check_belonging(named)
        self._states.update(new)
        if new or len(self._known) < len(named):
            self._known.update((name, weakref.ref(parameter)) for name, parameter in named)
        self._looked_at = weakref.ref(named) if isinstance(named, NamedParameters) else None

    def state_dict(self) -> dict[str, Any]:
        """Copies: {"class": name, "options": keywords, "groups": [the options of each group after
        the first], "own_lrs": [the learning rates without schedules], "steps": {name: int},
        "state": {name: {key: array}}}."""
        state = {
            name: {key: array.copy() for key, array in self._states[name].items()}
            for name in self._steps
        }
        first, *groups = (dict(options) for options in self._groups)
        own: dict[str, Any] = {"class": type(self).__name__, "options": first, "groups": groups}
        own["own_lrs"] = list(self.own_lrs)
        return own | {"steps": dict(self._steps), "state": state}

    def load_state_dict(self, mapping: Mapping[str, Any]) -> None:
        """Takes over a copy of what `state_dict` returned; which parameters are in which group is
        not part of it. TypeError or ValueError, with nothing changed, if it comes from another
        class, has another number of groups, lacks an array or its numbers are out of range."""
        self.take_state(self.read_state(mapping))

    def read_state(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """What `state_dict` returned, checked and copied."""
        owner = type(self).__name__
        mapping = check_mapping(owner, "mapping", mapping)
        if mapping.get("class") != owner:
            raise ValueError(
                f"{owner}: the state is of {describe(mapping.get('class'))}, expected {owner}"
            )
        keys, later = ("class", "options", "steps", "state"), ("groups", "own_lrs")
        mapping = check_mapping(owner, "mapping", mapping, keys, later)
        steps = check_mapping(owner, "steps", mapping["steps"])
        state = check_mapping(owner, "state", mapping["state"])
        groups = check_list(owner, "groups", mapping.get("groups") or [])
        checked = [self._read_options("options", mapping["options"])]
        checked += [self._read_options(f"groups[{i}]", found) for i, found in enumerate(groups)]
        if len(checked) != len(self._groups):
            raise ValueError(
                f"{owner}: the state has {len(groups)} groups, expected {len(self.members)}"
            )
        if set(steps) != set(state):
            raise ValueError(f"{owner}: steps and state do not name the same parameters")
        states = {
            name: {
                key: _read_floats(owner, f"state[{name!r}][{key!r}]", array)
                for key, array in check_mapping(owner, f"state[{name!r}]", arrays).items()
            }
            for name, arrays in state.items()
        }
        self._check_keys(states, checked)
        own_lrs = check_rates(owner, "own_lrs", mapping.get("own_lrs") or [])
        if own_lrs and len(own_lrs) != len(checked):
            raise ValueError(f"{owner}: own_lrs are {len(own_lrs)}, expected {len(checked)}")
        counts = {n: check_size(owner, f"steps[{n!r}]", count) for n, count in steps.items()}
        return {"groups": checked, "own_lrs": tuple(own_lrs), "steps": counts, "state": states}

    def _read_options(self, name: str, options: Any) -> Options:
        """The options of one group, read by the constructor, which has defaults for those that an
        older version did not know."""
        owner = type(self).__name__
        defaults = constructor(type(self))
        required = [key for key in self.options if defaults.get(key) is inspect.Parameter.empty]
        found = check_mapping(owner, name, options, required, self.options)
        return dict(type(self)(**found).options)

    def take_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `read_state` returned."""
        self._groups, self._own_lrs = state["groups"], state["own_lrs"]
        self._known, self._looked_at = {}, None
        self._steps, self._states = state["steps"], state["state"]

    def check_belonging(self, named: Iterable[tuple[str, Parameter]]) -> None:
        """ValueError for parameters that are not those which were updated under their names."""
        for name, parameter in named:
            known = self._known.get(name)
            if known is not None and known() is not parameter:
                raise ValueError(
                    f"{type(self).__name__}: parameter {name!r} is another one than at the steps "
                    "before, expected the same: use one optimizer per model, or hand the state of "
                    "this one to a new one with load_state_dict"
                )

    def __getstate__(self) -> dict[str, Any]:
        """A copy belongs to the parameters of its next step, among which patterns choose anew."""
        own = vars(self) | {"_known": {}, "_looked_at": None}
        if any(patterns for _, patterns in self._patterns):
            pairs = zip(self._members, self._patterns, strict=True)
            own["_members"] = [[] if patterns else members for members, (_, patterns) in pairs]
            own["_are_found"] = False
        return own

    def check(self, name: str, value: Any, *, below: float = math.inf) -> float:
        """An option that is a number >= 0 and < `below`."""
        number = check_number(type(self).__name__, name, value)
        if not 0 <= number < below:
            high = f" < {below:g}" if below < math.inf else ""
            raise ValueError(
                f"{type(self).__name__}: {name} is {number}, "
                f"expected a finite number, 0 <= {name}{high}"
            )
        return number

    def _flags(self, **flags: Any) -> Options:
        """Options that are True or False, by name."""
        owner = type(self).__name__
        return {name: check_flag(owner, name, value) for name, value in flags.items()}

    def check_eps(self, parameter: Parameter, options: Options) -> None:
        """ValueError for an eps that is 0 in the parameter's dtype, so that 0 / 0 could come."""
        least = float(np.finfo(parameter.dtype).tiny)
        if options["eps"] < least:
            raise ValueError(
                f"{type(self).__name__}: eps is {options['eps']}, which is 0 in "
                f"{parameter.dtype}: expected at least {least:.3g}"
            )

    def _check_keys(self, states: Mapping[str, State], groups: Sequence[Options]) -> None:
        """ValueError unless every state has the arrays that the options of some group ask for."""
        probe = Parameter.zeros((0,), np.float64)
        expected = [sorted(self.init_one(probe, options)) for options in groups]
        for name, state in states.items():
            if sorted(state) not in expected:
                raise ValueError(
                    f"{type(self).__name__}: the state of {name!r} has the arrays "
                    f"{sorted(state)}, expected {' or '.join(map(str, expected))}"
                )

    def _check_state(self, name: str, parameter: Parameter) -> None:
        """ValueError unless the arrays kept under this name are the parameter's, or numbers."""
        for key, array in self._states[name].items():
            if array.shape and (array.shape, array.dtype) != (parameter.shape, parameter.dtype):
                raise ValueError(
                    f"{type(self).__name__}: parameter {name!r} is {parameter.dtype} of shape "
                    f"{parameter.shape}, but its {key} is {array.dtype} of shape {array.shape}: "
                    "use one optimizer per model"
                )

    def _phrases(self) -> Iterator[str]:
        yield from super()._phrases()
        if self._members:
            yield f"{len(self._members)} group{'s' if len(self._members) > 1 else ''}"

    def _options(self) -> dict[str, Any]:
        return dict(self.options)

    def _repr_html_(self) -> str:
        """A row for the parameters in no group, and one for each group."""
        names = ["all others", *(self._name_of(i + 1) for i in range(len(self._members)))]
        names = names if self._members else ["all"]
        rows = zip(names, self._groups, strict=True)
        texts = ([name, *map(short, options.values())] for name, options in rows)
        return html_table([type(self).__name__, *self.options], texts)


def _read_floats(owner: str, name: str, value: Any) -> Array:
    """A copy of an array of floats from a state; TypeError for anything else."""
    array = as_plain_array(owner, name, value, "of floats")
    if array.dtype.kind != "f":
        raise TypeError(f"{owner}: {name} has dtype {array.dtype}, expected floats")
    return np.array(array, order="C")


def decayed(array: Array, options: Options) -> float:
    """The weight decay that is added to the gradient; a decoupled one is taken off the parameter
    here, and nothing is added."""
    if not options["decoupled_weight_decay"]:
        return float(options["weight_decay"])
    _core.scale_in_place(array, 1.0 - options["lr"] * options["weight_decay"], num_threads())
    return 0.0


def zeros_like(parameter: Parameter) -> Array:
    """Zeros in the parameter's shape and dtype."""
    return np.zeros(parameter.shape, parameter.dtype)
