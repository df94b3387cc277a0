"""Weights of a file without a configuration, written into a module that is there."""

import re
from collections import defaultdict
from typing import Any

import numpy as np

from .._base.checks import Array, describe, describe_all
from .._base.module import Module
from .._base.names import dotted
from .._base.parameter import Parameter
from ._cells import in_order
from ._hdf5 import Store
from ._weights import RANDOM, NamedFile, NamedWeights


def fill(model: Module, store: Store) -> Module:
    """The model with the weights of the file, all of them or, after an error, none."""
    source: Any = _Listed(store) if store.words("", "layer_names") is not None else _Units(store)
    arrays: dict[str, Array] = {}
    for name, part in model.named_modules():
        if any(isinstance(value, Parameter) for value in vars(part).values()):
            owner = f"module {describe(name)} ({type(part).__name__})"
            found = _weights_of(owner, part, source)
            arrays |= {dotted(name, own): array for own, array in found.items()}
    source.check_complete()
    if tied := arrays.keys() - dict(model.named_parameters()).keys():
        raise ValueError(
            f"parameters {describe_all(sorted(tied))} are tied to others, expected none"
        )
    model.load_state_dict(arrays)
    return model


def _weights_of(owner: str, part: Any, source: Any) -> dict[str, Array]:
    """The arrays for a part's own parameters, by their names; ValueError if they do not fit."""
    own = {n: p for n, p in vars(part).items() if isinstance(p, Parameter)}
    if hasattr(part, "num_layers"):
        arrays = _recurrent(owner, part, source)
    elif part.takes_ids:
        (table,) = source.take(owner, ["embedding"], ["embeddings"])
        arrays = {"weight": table}
    elif hasattr(part, "in_features"):
        names = ["kernel", "bias"][: len(own)]
        shape = (part.in_features, part.out_features)
        kernel, *bias = source.take(owner, ["dense", "time_distributed"], names, shape)
        arrays = dict(zip(own, [kernel.T, *bias], strict=True))
    elif hasattr(part, "normalized_shape"):
        names = ["gamma", "beta"][: len(own)]
        arrays = dict(zip(own, source.take(owner, ["layer_normalization"], names), strict=True))
    else:
        raise ValueError(f"{owner} is not one of the layers that files of Keras have weights for")
    wrong = [
        f"{name} {array.shape}, expected {own[name].shape if name in own else 'none'}"
        for name, array in arrays.items()
        if name not in own or own[name].shape != array.shape
    ]
    if wrong:
        raise ValueError(f"{owner}: the file has {'; '.join(wrong)}")
    if rest := set(own) - set(arrays):
        raise ValueError(f"{owner} has {describe_all(sorted(rest))}, which Keras' layers have not")
    return arrays


def _recurrent(owner: str, part: Any, source: Any) -> dict[str, Array]:
    """The arrays of a recurrent layer, for each of its layers and directions."""
    names = ["kernel", "recurrent_kernel", *["bias"] * bool(part.bias)]
    cell = part.cell.partition("_")[0]
    kind = f"simple_{cell}" if part.gates == 1 else cell
    kinds = ["bidirectional"] if part.bidirectional else [kind, "rnn"]
    arrays: dict[str, Array] = {}
    for k in range(part.num_layers):
        shape = (part.num_features if k else part.input_size, part.gates * part.hidden_size)
        for way in ["", "_reverse"][: part.num_directions]:
            found = source.take(owner, kinds, names, shape)
            if any(a.ndim not in (1, 2) or a.shape[-1] % part.gates for a in found):
                raise ValueError(f"{owner}: the file has {[a.shape for a in found]}, other gates")
            two = getattr(part, "reset_after", False)
            if part.bias and (found[2].ndim == 2) != two:
                raise ValueError(f"{owner}: the file has the other form of reset_after")
            ordered = in_order(part.gates, *found)
            if part.bias is True and not two:  # Keras has one bias, the layer two that are added
                ordered["bias_hh"] = np.zeros_like(ordered["bias_ih"])
            arrays |= {f"{name}_l{k}{way}": array for name, array in ordered.items()}
    return arrays


class _Listed:
    """The weights of a legacy file: of all layers, in their order."""

    def __init__(self, store: Store) -> None:
        file = NamedFile(store, "")
        layers = file.layer_names()
        names = [f"{layer}/{name}" for layer in layers for name in file.weight_names(layer)]
        self._weights = NamedWeights(store, "", names)
        self._forward = False  # whether the direction that was taken last is

    def take(
        self, owner: str, kinds: list[str], names: list[str], shape: Any = None
    ) -> list[Array]:
        """The next weights, which have to have these names."""
        if kinds == ["bidirectional"]:
            self._check_direction(owner, self._weights.names[: len(names)])
        return self._weights.take(owner, *names)

    def _check_direction(self, owner: str, paths: list[str]) -> None:
        """ValueError for a direction that is not next: a file lists frozen weights last."""
        self._forward = not self._forward
        other = "/backward_" if self._forward else "/forward_"
        if any(other in path for path in paths):
            raise ValueError(
                f"{owner}: the file has {describe_all(paths)}, expected those of the other "
                "direction first: one is frozen; a .keras file says which"
            )

    def check_complete(self) -> None:
        """ValueError for weights that are left."""
        _check_none_left(self._weights.names)


class _Units:
    """The weights of a file of Keras 3, which says of layers their class and number, not which
    comes first: those of one class are taken in their order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        sets: dict[str, list[str]] = defaultdict(list)  # paths of the arrays below one "vars"
        for path in store.datasets("layers"):
            if RANDOM not in path:
                sets[path.rpartition("/vars/")[0]].append(path)
        self._sets = {name: sorted(paths, key=_in_order) for name, paths in sets.items()}
        self._queues: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._sets, key=_in_order):
            layer = name.split("/")[1] if "/" in name else name
            self._queues[re.sub(r"_\d+$", "", layer)].append(name)

    def take(
        self, owner: str, kinds: list[str], names: list[str], shape: Any = None
    ) -> list[Array]:
        """The arrays of the next layer of one of these classes, whose first one has the shape."""
        found = [kind for kind in kinds if self._queues[kind]]
        if len(found) > 1:
            found = [kind for kind in found if self._first_shape(kind) == shape]
        if len(found) > 1:
            raise ValueError(
                f"{owner}: the file does not say which of {describe_all(found)} comes first, "
                "expected a .keras file"
            )
        if not found:
            raise ValueError(
                f"{owner}: the file has no more layers {describe_all(kinds)}; it has left "
                f"{describe_all(self._left()) or 'nothing'}"
            )
        paths = self._sets[self._queues[found[0]].pop(0)]
        if len(paths) != len(names):
            raise ValueError(
                f"{owner}: the file has {len(paths)} arrays {describe_all(paths)}, expected "
                f"{', '.join(names)}"
            )
        return [self._store.array(path) for path in paths]

    def _first_shape(self, kind: str) -> tuple[int, ...]:
        """The shape of the first array of the next layer of a class."""
        return self._store.shape(self._sets[self._queues[kind][0]][0])

    def check_complete(self) -> None:
        """ValueError for weights that are left."""
        _check_none_left(self._left())

    def _left(self) -> list[str]:
        return [name for queue in self._queues.values() for name in queue]


def _in_order(path: str) -> list[tuple[str, int]]:
    """A key that sorts names by their numbers, and the forward direction before the other."""
    names = path.replace("forward_layer", "a").replace("backward_layer", "b").split("/")
    split = (re.fullmatch(r"(.*?)_?(\d*)", name) for name in names)
    return [(m[1], int(m[2][:9] or 0)) for m in split if m is not None]


def _check_none_left(names: list[str]) -> None:
    if names:
        raise ValueError(f"the model has no place for {describe_all(names)}")
