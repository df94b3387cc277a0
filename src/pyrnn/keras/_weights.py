"""Where the weights of a layer lie in a file, in the two ways in which Keras has written them."""

import re
from collections import Counter
from typing import Any, Protocol

from .._base.checks import Array, describe, describe_all
from ._hdf5 import Store

LEGACY = ("seed_generator_state", "rnn_state")  # variables that are no weights
RANDOM = "/seed_generator/"  # the same among the paths


class Weights(Protocol):
    """The weights of one layer, or of a part of it."""

    def inside(self, part: str) -> "Weights":
        """Those of a part, by the name of the attribute that holds it."""
        ...

    def take(self, owner: Any, *names: str) -> list[Array]:
        """The arrays that `owner` itself has, by their names in Keras, in this order."""
        ...


class Names:
    """The names of layers in a list of some, in the order of the list: dense, dense_1, ..."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def next(self, kind: str) -> str:
        """The name of the next layer of a class."""
        name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", kind).lower()
        self._count[name] += 1
        return name if self._count[name] == 1 else f"{name}_{self._count[name] - 1}"


class PathFile:
    """A file of Keras 3: a path of attributes leads to the weights of each layer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken: set[str] = set()

    def model(self) -> "PathWeights":
        """The weights of the whole model."""
        return PathWeights(self, "")

    def of_layer(self, weights: Any, name: str, place: str) -> Weights:
        """Those of a layer of a model: `place` is its name among the model's layers."""
        found: Weights = weights.inside("layers").inside(place)
        return found

    def read(self, path: str) -> Array:
        """An array, which counts as taken."""
        self._taken.add(path)
        return self._store.array(path)

    def check_complete(self) -> None:
        """ValueError for weights that no layer has asked for."""
        found = (p.lstrip("/") for p in self._store.datasets("layers"))
        rest = sorted(p for p in found if p not in self._taken and RANDOM not in p)
        if rest:
            raise ValueError(f"its configuration has no place for {describe_all(rest)}")


class PathWeights:
    """The weights below a path."""

    def __init__(self, file: PathFile, path: str) -> None:
        self._file, self._path = file, path

    def inside(self, part: str) -> "PathWeights":
        return PathWeights(self._file, f"{self._path}/{part}".lstrip("/"))

    def take(self, owner: Any, *names: str) -> list[Array]:
        paths = [f"{self._path}/vars/{i}" for i in range(len(names))]
        try:
            return [self._file.read(path) for path in paths]
        except ValueError as error:
            raise ValueError(f"{owner}: {error}") from None


class NamedFile:
    """A legacy file: the names of each layer's weights are listed, in their order."""

    def __init__(self, store: Store, root: str) -> None:
        self._store, self._root = store, root
        self._queues: dict[str, NamedWeights] = {}

    def model(self) -> None:
        """Nothing: each layer of the model has its own list."""

    def layer_names(self) -> list[str]:
        """The names of the layers, in their order."""
        return _listed(self._store, self._root, "layer_names")

    def of_layer(self, weights: Any, name: str, place: str) -> Weights:
        """Those of a layer by its name; of a model inside another one, the outer one's list."""
        if weights is not None:
            inner: Weights = weights
            return inner
        self._queues[name] = NamedWeights(self._store, self._group(name), self.weight_names(name))
        return self._queues[name]

    def weight_names(self, name: str) -> list[str]:
        """The names of a layer's weights, in their order."""
        listed = _listed(self._store, self._group(name), "weight_names")
        return [weight for weight in listed if not _last(weight).startswith(LEGACY)]

    def _group(self, name: str) -> str:
        return f"{self._root}/{name}".lstrip("/")

    def check_complete(self) -> None:
        """ValueError for weights that no layer has asked for."""
        rest = [name for queue in self._queues.values() for name in queue.names]
        others = set(self.layer_names()) - set(self._queues)
        rest += [weight for name in sorted(others) for weight in self.weight_names(name)]
        if rest:
            raise ValueError(f"its configuration has no place for {describe_all(rest)}")


class NamedWeights:
    """The weights of a layer and its parts, in the order of its list."""

    def __init__(self, store: Store, group: str, names: list[str]) -> None:
        self._store, self._group, self.names = store, group, names

    def inside(self, part: str) -> "NamedWeights":
        return self

    def take(self, owner: Any, *names: str) -> list[Array]:
        begin = self._begin(owner)
        end = begin + len(names)
        found, self.names = self.names[begin:end], self.names[:begin] + self.names[end:]
        if [_last(name) for name in found] != list(names):
            raise ValueError(
                f"{owner}: its weights in the file are {describe_all(found)}, expected "
                f"{', '.join(names)}"
            )
        try:
            return [self._store.array(f"{self._group}/{name}") for name in found]
        except ValueError as error:
            raise ValueError(f"{owner}: {error}") from None

    def _begin(self, owner: Any) -> int:
        """Where those of `owner` begin: in front, but the list has those of frozen layers last."""
        if getattr(owner, "trainable", True):
            return 0
        own = (i for i, name in enumerate(self.names) if owner.name in name.split("/"))
        return next(own, 0)


def _last(name: str) -> str:
    """The own name of a variable: "kernel" of "lstm/lstm_cell/kernel:0"."""
    return re.sub(r":\d+$", "", name.rpartition("/")[2])


def _listed(store: Store, path: str, name: str) -> list[str]:
    """The words of an attribute, which a long list has in pieces, numbered from 0."""
    words = store.words(path, name)
    if words is None:
        words, number = [], 0
        while (piece := store.words(path, f"{name}{number}")) is not None:
            words, number = words + piece, number + 1
        if not number:
            raise ValueError(f"group {describe(path)} has no attribute {name}, expected one")
    return words
