"""What a configuration says: options that are all accounted for, and layers one after the other."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .._base.checks import describe, describe_all, printable

MASK_OPERATIONS = ("NotEqual", "Any")  # what a Functional model notes of how a mask is made
COMMON = ("name", "trainable", "dtype", "build_config", "batch_input_shape")  # of every layer
TRAINING = ("_initializer", "_regularizer", "_constraint")  # what ends in these only trains
MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")


def parse(text: str | bytes) -> dict[str, Any]:
    """A JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"the configuration is {describe(value)}, expected a JSON object")
    return value


class Layer:
    """A layer as the configuration has it: its class, its name, and its options.

    Options are taken one by one; `finish` refuses those that nobody took.
    """

    def __init__(self, tree: Any) -> None:
        if not isinstance(tree, dict) or not isinstance(tree.get("config"), dict):
            raise ValueError(f"a layer is described by {describe(tree)}, expected an object")
        self.kind = str(tree.get("class_name"))
        self._options = dict(tree["config"])
        self.name = str(self._options.get("name", tree.get("name", self.kind)))
        self.nodes = tree.get("inbound_nodes", [])
        self._check_origin(tree)
        self.trainable = self._options.get("trainable", True) is not False
        self._check_dtype(self._options.get("dtype"))

    def __str__(self) -> str:
        return f"layer {describe(self.name)} ({describe(self.kind)[1:-1]})"

    def refused(self, text: str) -> ValueError:
        """An error that names the layer."""
        return ValueError(f"{self}: {text}")

    def take(self, name: str, default: Any = None) -> Any:
        """An option's value."""
        return self._options.pop(name, default)

    def flag(self, name: str, default: bool = False) -> bool:
        """An option that is True or False."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise self.refused(f"{name} is {describe(value)}, expected true or false")
        return value

    def size(self, name: str) -> int:
        """An option that is a number of things."""
        value = self.take(name)
        if type(value) is not int or value < 1:
            raise self.refused(f"{name} is {describe(value)}, expected a positive integer")
        return value

    def number(self, name: str, default: float) -> float:
        """An option that is a number."""
        value = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refused(f"{name} is {describe(value)}, expected a number")
        return float(value)

    def word(self, name: str, default: str) -> str:
        """An option that is a word; null, where a function could be, is "linear"."""
        value = self.take(name, default)
        if value is not None and not isinstance(value, str):
            raise self.refused(f"{name} is {describe(value)}, expected a name: code is never run")
        return value or "linear"

    def expect(self, name: str, *values: Any) -> None:
        """Refuses an option with any other value than these; it may be missing."""
        value = self.take(name, values[0])
        if not any(value == known and type(value) is type(known) for known in values):
            shown, *expected = (printable(repr(one)) for one in (value, *values))
            raise self.refused(f"{name} is {shown}, expected {' or '.join(expected)}")

    def has(self, name: str) -> bool:
        """Whether an option is there and nobody has taken it."""
        return self._options.get(name) is not None

    def reversed(self) -> "Layer":
        """The same layer reading the other way."""
        other = copy.copy(self)
        other._options = self._options | {"go_backwards": not self._options.get("go_backwards")}
        return other

    def layer(self, name: str) -> "Layer":
        """An option that is a layer."""
        return Layer(self.take(name))

    def layers(self, name: str) -> list["Layer"]:
        """An option that lists layers."""
        listed = self.take(name)
        if not isinstance(listed, list) or not listed:
            raise self.refused(f"{name} is {describe(listed)}, expected a list of layers")
        return [Layer(tree) for tree in listed]

    def finish(self, *ignored: str) -> None:
        """ValueError for an option that is set and that nobody has looked at; those in `ignored`
        change no output."""
        known = (*COMMON, *ignored)
        rest = [
            name
            for name, value in self._options.items()
            if name not in known and not name.endswith(TRAINING) and value not in (None, False)
        ]
        if rest:
            values = {name: self._options[name] for name in rest}
            listed = ", ".join(f"{describe(n)} = {describe(v)}" for n, v in values.items())
            raise self.refused(f"what to make of the option {listed} is not known")

    def _check_origin(self, tree: dict[str, Any]) -> None:
        """ValueError for a class that is not Keras' own."""
        module = str(tree.get("module") or "keras")
        own = any(module == known or module.startswith(f"{known}.") for known in MODULES)
        registered = tree.get("registered_name")
        if not own or registered not in (None, self.kind):
            raise self.refused(
                f"it is code of module {describe(module)}, registered as {describe(registered)}, "
                "expected a layer of Keras' own: other code is never run"
            )

    def _check_dtype(self, policy: Any) -> None:
        """ValueError for arithmetic in other floats than float32 and float64."""
        if isinstance(policy, dict):
            options = policy.get("config")
            policy = options.get("name") if isinstance(options, dict) else policy.get("class_name")
        if policy not in (None, "float32", "float64") and self.kind != "InputLayer":
            raise self.refused(f"dtype is {describe(policy)}, expected 'float32' or 'float64'")


@dataclass
class Chain:
    """Layers one after the other. `outputs` are the (layer's name, number of its tensor) that a
    Functional model returns; a Sequential, where they are None, returns the last layer's."""

    layers: list[Layer]
    outputs: list[tuple[str, int]] | None = None
    masks: dict[str, str] = field(default_factory=dict)  # of whose output one's mask is made
    inputs: dict[str, str] = field(default_factory=dict)  # whose output one takes


def is_model(layer: Layer) -> bool:
    """Whether it is made of layers in a way that a configuration tells."""
    return layer.kind in ("Sequential", "Functional", "Model")


def read_chain(model: Layer) -> Chain:
    """The layers of a Sequential or Functional model."""
    if not is_model(model):
        raise model.refused("expected a Sequential or a Functional model: other code is never run")
    layers = model.layers("layers")
    if len({layer.name for layer in layers}) < len(layers):
        raise model.refused("two of its layers have one name")
    if model.kind == "Sequential":
        model.finish("build_input_shape")
        chain = Chain([layer for layer in layers if layer.kind != "InputLayer"])
    else:
        chain = _Graph(model, layers).chain()
        model.finish()
    if not chain.layers:
        raise model.refused("it has no layers that compute something")
    return chain


class _Graph:
    """The graph of a Functional model: each layer with what it takes."""

    def __init__(self, model: Layer, layers: list[Layer]) -> None:
        self._model = model
        self._layers = {layer.name: layer for layer in layers}
        self._inputs = _tensors(model, model.take("input_layers"))
        self._outputs = _tensors(model, model.take("output_layers"))
        self._operations = {n: l for n, l in self._layers.items() if l.kind in MASK_OPERATIONS}

    def chain(self) -> Chain:
        """Its layers in order; ValueError if they are not one after the other."""
        if len(self._inputs) != 1:
            raise self._model.refused(f"it has {len(self._inputs)} inputs, expected one")
        (first, _), order, masks, inputs = self._inputs[0], [], {}, {}
        takers: dict[str, str] = {}
        for layer in self._layers.values():
            if layer.kind == "InputLayer" or layer.name in self._operations:
                continue
            source, mask = self._taken(layer)
            if source in takers:
                raise layer.refused(
                    f"it takes what layer {describe(takers[source])} takes, expected layers one "
                    "after the other"
                )
            takers[source] = layer.name
            inputs[layer.name] = source
            if mask is not None:
                masks[layer.name] = mask
        name = first
        while name in takers:
            name = takers.pop(name)
            order.append(self._layers[name])
        if takers:
            raise self._layers[next(iter(takers.values()))].refused("nothing leads to it")
        return Chain(order, self._outputs, masks, inputs)

    def _taken(self, layer: Layer) -> tuple[str, str | None]:
        """(the layer whose output it takes, the one whose output its mask is made of)."""
        nodes = layer.nodes
        if not isinstance(nodes, list) or len(nodes) != 1:
            count = len(nodes) if isinstance(nodes, list) else 0
            raise layer.refused(f"it is called {count} times, expected once")
        args, options = _call(layer, nodes[0])
        mask = options.pop("mask", None)
        options.pop("training", None)
        given = [*args, *(value for value in options.values() if value is not None)]
        found = [tensor for value in given for tensor in _found(value)]
        if len(found) != 1 or len(given) != 1 or found[0][1] != 0:
            raise layer.refused(
                f"it takes {describe_all(name for name, _ in found)} with {len(given)} arguments, "
                "expected the one output of one layer"
            )
        masked_by = [*_found(mask)]
        return found[0][0], self._origin(layer, masked_by[0][0]) if masked_by else None

    def _origin(self, layer: Layer, name: str) -> str:
        """The layer whose output a mask is made of, by comparing it with a number."""
        for _ in MASK_OPERATIONS:
            if name not in self._operations:
                return name
            nodes = self._operations[name].nodes
            args, _ = _call(layer, nodes[0] if isinstance(nodes, list) and nodes else None)
            found = [*_found(args[0])] if args else []
            if len(found) != 1:
                break
            name = found[0][0]
        if name not in self._operations:
            return name
        raise layer.refused("its mask comes from a calculation, expected one of Keras' layers")


def _call(layer: Layer, node: Any) -> tuple[list[Any], dict[str, Any]]:
    """(arguments, keywords) of a call, in the form of Keras 3 or that of Keras 2."""
    if isinstance(node, dict) and isinstance(node.get("args"), list):
        options = node.get("kwargs")
        return node["args"], dict(options) if isinstance(options, dict) else {}
    if isinstance(node, list) and node and all(isinstance(entry, list) for entry in node):
        options = node[0][3] if len(node[0]) > 3 and isinstance(node[0][3], dict) else {}
        return [{"keras_history": entry[:3]} for entry in node], dict(options)
    raise layer.refused(f"a call of it is described by {describe(node)}, expected an object")


def _found(tree: Any) -> Iterator[tuple[str, int]]:
    """The (layer's name, number) of the tensors in an argument."""
    if isinstance(tree, dict):
        history = tree.get("keras_history")
        if history is None:
            for value in tree.values():
                yield from _found(value)
        elif isinstance(history, list) and len(history) == 3 and type(history[2]) is int:
            yield str(history[0]), history[2]
        else:
            raise ValueError(f"a tensor comes from {describe(history)}, expected a layer")
    elif isinstance(tree, list):
        for value in tree:
            yield from _found(value)


def _tensors(model: Layer, listed: Any) -> list[tuple[str, int]]:
    """The (layer's name, number) of inputs or outputs: one, or lists of some."""
    if not isinstance(listed, list) or not listed:
        raise model.refused(f"its inputs or outputs are {describe(listed)}, expected a list")
    if isinstance(listed[0], list):
        return [tensor for entry in listed for tensor in _tensors(model, entry)]
    return [*_found({"keras_history": listed})]
