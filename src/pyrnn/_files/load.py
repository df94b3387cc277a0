"""Models in files: one safetensors file with the weights, and the configuration in its metadata."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import reduce
from inspect import signature
from itertools import accumulate
from typing import Any

from .._base.checks import (
    check_path,
    describe,
    describe_all,
    filled_from_file,
)
from .._base.description import load_extra_states
from .._base.freezing import freeze_only, read_frozen
from .._base.module import STORABLE, Module
from .._base.names import dotted
from .._base.parameter import Parameter
from .._base.quantized import QuantizedParameter, check_trainable, from_file
from .._base.tensor_file import Stored, mapping, read_model, with_remedy


def load(path: Any, *, classes: Iterable[type[Module]] = ()) -> Module:
    """The module that `module.save(path)` wrote, with its weights and dropout counters.

    Only pyrnn's own classes are made, and those of yours that are in `classes`, from plain numbers;
    nothing in a file is executed, and memory is bounded by the file's size, as far as your
    constructors keep to it. OSError if the file cannot be read; ValueError that says
    what is wrong if it is no such file, damaged, or from a newer pyrnn. A safetensors file of
    weights alone is for `module.load_state_dict(path)`.

    Examples
    --------
    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "gru.safetensors")
    >>> gru, x = pyrnn.GRU(3, 4, seed=0), np.ones((1, 5, 3), np.float32)
    >>> gru.save(path)
    >>> again = pyrnn.load(path)
    >>> again, np.array_equal(again(x)[0], gru(x)[0])
    (GRU(input_size=3, hidden_size=4), True)
    >>> folder.cleanup()
    """
    path, own = check_path("load", path), _by_name(classes)
    try:
        tensors, description = read_model(path)
        if "training" in description:
            raise ValueError(
                "is a checkpoint of training, which Trainer.fit(..., checkpoint=path, "
                "resume=True) carries on from; expected a file that module.save(path) wrote"
            )
        if "estimator" in description:
            raise ValueError("holds an estimator, which pyrnn.estimators.load(path) reads")
        module = rebuilt(tensors, description, own)
    except RecursionError:
        raise ValueError(f"{path}: its configuration is nested too deeply") from None
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{path}: {with_remedy(path, error)}") from None
    return module


def rebuilt(
    tensors: dict[str, Stored],
    description: Mapping[str, Any],
    classes: Mapping[str, type[Module]] = STORABLE,
) -> Module:
    """The module that `tensors` and `description` were stored of; `classes` are those that it may
    name. TypeError, ValueError or LookupError for what no module was stored as."""
    rebuild = Rebuild(tensors, mapping(description, "ties"), classes)
    module = rebuild.module(description.get("model"), "")
    rebuild.check_complete()
    load_extra_states(module, mapping(description, "extra_state"))
    named = module.named_parameters()
    frozen = read_frozen(description.get("frozen"), named)
    if frozen is not None:
        check_trainable("frozen", (p for name, p in named if name not in frozen))
    freeze_only(frozen, named)
    return module


class Rebuild:
    """Makes the described modules one by one, each no larger than what is stored for it."""

    def __init__(
        self,
        tensors: dict[str, Stored],
        ties: dict[str, Any],
        classes: Mapping[str, type[Module]],
    ) -> None:
        self.tensors = tensors
        self.classes = classes  # those that a file may name
        self.ties = ties  # name of a shared parameter -> the name it is stored under
        self.parameters: dict[str, Parameter] = {}
        self.modules: dict[str, Module] = {}
        for name, stored in self.ties.items():
            if not isinstance(stored, str) or stored not in self.tensors or name in self.tensors:
                raise ValueError(
                    f"ties {describe(name)} to {describe(stored)}, expected the name of a tensor"
                )
        # The elements of the largest tensor.
        self.largest = max((tensor.size for tensor in self.tensors.values()), default=0)
        stored_as = {name: name for name in self.tensors} | self.ties
        self.names = sorted(stored_as)  # of all weights, what is tied too
        sizes = (self.tensors[stored_as[name]].size for name in self.names)
        self.sizes = list(accumulate(sizes, initial=0))  # the stored elements before each, of all

    def module(self, tree: Any, name: str) -> Module:
        """The module of that name, with its weights."""
        if not isinstance(tree, dict):
            raise ValueError(
                f"module {describe(name)} is described by {describe(tree)}, expected an object"
            )
        if "shared" in tree and tree["shared"] in self.modules:
            return self.modules[tree["shared"]]
        cls = self.classes.get(str(tree.get("class")))
        if cls is None:
            known = ", ".join(sorted(self.classes))
            raise ValueError(
                f"module {describe(name)} is a {describe(tree.get('class'))}, "
                f"expected one of {known}, or of load(path, classes=[...])"
            )
        module = self._container(tree, name) if cls.made_of_parts else self._leaf(cls, tree, name)
        self.modules[name] = module
        return module

    def check_complete(self) -> None:
        """ValueError for what was stored and not asked for."""
        unused = sorted((set(self.tensors) | set(self.ties)) - set(self.parameters))
        if unused:
            raise ValueError(f"its configuration has no place for {describe_all(unused)}")

    def _container(self, tree: dict[str, Any], name: str) -> Module:
        """A module of described parts, which have names or are numbered."""
        parts = tree.get("parts")
        if not isinstance(parts, list):
            raise ValueError(
                f"module {describe(name)} has parts {describe(parts)}, expected a list"
            )
        cls: Any = self.classes[str(tree["class"])]
        names = tree.get("names", [str(i) for i in range(len(parts))])
        if not isinstance(names, list) or not len({*map(str, names)}) == len(names) == len(parts):
            raise ValueError(
                f"module {describe(name)} has the names {describe(names)}, expected one per part"
            )
        modules = [self.module(p, dotted(name, str(n))) for n, p in zip(names, parts, strict=True)]
        says = any(m._says_layout for module in modules for m in module.speakers())
        # Files from when time came first by default have no entry: False unless a part says more.
        config = {"batch_first": None if says or name else False} | mapping(tree, "config")
        if "names" in tree:
            named: Module = cls(**dict(zip(map(str, names), modules, strict=True)), **config)
            return named
        numbered: Module = cls(*modules, **config)
        return numbered

    def _leaf(self, cls: type[Module], tree: dict[str, Any], name: str) -> Module:
        """A module that its configuration describes; its weights come from the stored tensors."""
        with filled_from_file(self._stored_below(name), self.largest):
            module = cls(**_config_of(cls, tree))
        for own, parameter in module.named_parameters():
            full = dotted(name, own)
            tied = full in self.ties
            found = self.parameters.get(self.ties[full]) if tied else self.tensors.get(full)
            if found is None:
                raise ValueError(f"tensor {describe(full)} is missing")
            stored = found if isinstance(found, Parameter) else from_file(found)
            if isinstance(stored, QuantizedParameter) and own not in module.matrices():
                raise ValueError(
                    f"{describe(full)} is stored in {stored.form}, expected {parameter.dtype}"
                )
            if stored.shape != parameter.shape or stored.dtype != parameter.dtype:
                raise ValueError(
                    f"{describe(full)} is stored as {stored.dtype} of shape {stored.shape}, its "
                    f"configuration says {parameter.dtype} of shape {parameter.shape}"
                )
            if isinstance(stored, Parameter):  # not by the module's own check, which trains
                *parts, last = own.split(".")
                vars(reduce(getattr, parts, module))[last] = stored
                self.parameters[full] = stored
            else:
                parameter.fill(stored)
                self.parameters[full] = parameter
        return module

    def _stored_below(self, name: str) -> int:
        """The elements that are stored for a module and its parts."""
        if not name:
            return self.sizes[-1]
        first = bisect_left(self.names, f"{name}.")
        return self.sizes[bisect_left(self.names, f"{name}/", first)] - self.sizes[first]  # "." + 1


def _by_name(classes: Any) -> dict[str, type[Module]]:
    """pyrnn's own classes and a user's, by name."""
    if not isinstance(classes, Iterable):
        raise TypeError(f"load: classes is {describe(classes)}, expected a list of Module classes")
    known = dict(STORABLE)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, Module)):
            raise TypeError(f"load: classes holds {describe(cls)}, expected Module classes")
        if known.setdefault(cls.__name__, cls) is not cls:
            raise ValueError(f"load: classes holds a second {cls.__name__}, expected one")
    return known


def _config_of(cls: type[Module], tree: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's keywords. A CRF of an older file says batch_first, which it no longer has:
    its sequences come sample first."""
    config = mapping(tree, "config")
    dropped = {"batch_first"} - set(signature(cls).parameters)
    return {name: value for name, value in config.items() if name not in dropped}
