"""How a module describes itself: by its forward, and for files by how it is made."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .tensor_file import mapping


def check_describable(module: Any, storable: Mapping[str, type], has_parts: bool) -> None:
    """TypeError for a module that cannot be made again from its constructor's arguments."""
    cls = type(module)
    named = storable.get(cls.__name__) is cls
    if named or cls._is_own:
        known = named and (cls.parts_from_config or cls.made_of_parts or not has_parts)
    else:
        known = cls.__name__ not in storable and not cls.made_of_parts
        known = known and all(hasattr(module, option) for option in constructor(cls))
        known = known and all(map(_is_plain, module.config().values()))
    if not known:
        raise TypeError(
            f"save: a file cannot describe {cls.__name__}: it makes a module again from the "
            "constructor's arguments, numbers and words that are attributes of the same names; "
            "write state_dict() with safetensors.numpy.save_file, and read it back with "
            "load_state_dict"
        )


def constructor(cls: Any) -> dict[str, Any]:
    """The constructor's keywords with their defaults as JSON values, without `seed`."""
    keywords = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return {p.name: as_json(p.default) for p in named if p.kind in keywords and p.name != "seed"}


def kept_options(thing: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Those of the constructor's options, or of some, that an object keeps as attributes of their
    names: a user's class need not keep all. A method of such a name says nothing about it."""
    cls = type(thing)
    names = constructor(cls) if names is None else names
    options = (n for n in names if not inspect.isroutine(getattr(cls, n, None)))
    return {name: getattr(thing, name) for name in options if hasattr(thing, name)}


def _is_plain(value: Any) -> bool:
    """Whether JSON holds it as it is."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def as_json(value: Any) -> Any:
    """A constructor's argument as JSON holds it: dtypes by name."""
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    return value


def extra_states(module: Any) -> dict[str, Any]:
    """What the modules keep beside their parameters, such as dropout counters, by module name."""
    return {name: m.extra_state() for name, m in module.named_modules() if m.extra_state()}


def load_extra_states(module: Any, states: Mapping[str, Any]) -> None:
    """Gives every module what it kept beside its parameters."""
    modules = {name: m for name, m in module.named_modules() if m.extra_state()}
    if set(states) != set(modules):
        raise ValueError(f"extra_state is of {sorted(states)}, expected {sorted(modules)}")
    for name, part in modules.items():
        part.load_extra_state(mapping(states, name))


def describe_forward(cls: Any) -> None:
    """A class says by the parameters of its forward what it takes."""
    cls._forward_names = names = names_of(cls.forward)
    cls.stateful = "state" in names
    cls.time_aware = "lengths" in names or "mask" in names
    cls.random = True


def names_of(method: Any) -> tuple[str, ...]:
    """The names of a method's arguments."""
    given = list(inspect.signature(method).parameters.values())[1:]
    return tuple(p.name for p in given if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))


def check_parts(module: Any, parameters: Sequence[Any]) -> None:
    """ValueError if a forward used parameters that nobody would train; looks once at a module."""
    if "_parts_are_known" in vars(module):
        return
    known = {id(parameter) for parameter in module.parameters()}
    if not all(id(parameter) in known for parameter in parameters):
        raise ValueError(
            f"{type(module).__name__}: forward uses parts or parameters that are not the module's, "
            "expected each as an attribute, or in a Sequential that is one: lists are not searched"
        )
    vars(module)["_parts_are_known"] = True
