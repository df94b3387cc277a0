"""Layers one after the other: who reads which class, and what is known where a layer stands."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .._base.module import Module
from ._config import Chain, Layer, is_model, read_chain
from ._weights import Names, Weights

Parts = list[Module]


@dataclass
class Place:
    """What is known where a layer stands, and what it says of its outputs."""

    file: Any  # of the weights
    masked: str | None = None  # the layer that made the mask which is here
    has_time: bool = True
    states: int = 0  # the arrays of states of the recurrent layers so far
    tensors: list[int] = field(default_factory=list)  # places of a layer's tensors among outputs


Reader = Callable[[Layer, Any, Place], Parts]
READERS: dict[str, Reader] = {}  # by the class of Keras' layer


def reads(*kinds: str) -> Callable[[Reader], Reader]:
    """Decorates the function that reads layers of these classes."""

    def enter(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(kinds, reader))
        return reader

    return enter


def read_layer(layer: Layer, weights: Weights, place: Place) -> Parts:
    """The parts that a layer becomes."""
    reader = READERS.get(layer.kind)
    if reader is None:
        raise layer.refused(
            "this class is not read; it is none of "
            f"{', '.join(READERS)}, and code that a file brings is never run"
        )
    parts: Parts = reader(layer, weights, place)
    return parts


def read_parts(
    chain: Chain, place: Place, weights: Any, tensors: dict[str, list[int]]
) -> tuple[Parts, bool]:
    """(the parts of layers one after the other, whether one makes a mask)."""
    parts: Parts = []
    names, masks = Names(), False
    for layer in chain.layers:
        where = names.next(layer.kind)
        _check_mask(chain, layer, place)
        found = place.file.of_layer(weights, layer.name, where)
        place.tensors = [~0]
        if is_model(layer):
            own, makes = _read_inner(layer, place, found)
            masks = masks or makes
        else:
            before = place.masked
            own = read_layer(layer, found, place)
            masks = masks or (place.masked not in (None, before))
        freeze(own, layer)
        parts += own
        tensors[layer.name] = place.tensors
        several = len(place.tensors) > 1 if chain.outputs is None else ~1 in place.tensors
        if several and layer is not chain.layers[-1]:
            raise layer.refused("it gives several outputs, expected it at the end of the model")
    return parts, masks


def _read_inner(model: Layer, place: Place, weights: Any) -> tuple[Parts, bool]:
    """The parts of a model inside another one, which has to have one output."""
    chain, tensors = read_chain(model), dict[str, list[int]]()
    parts, masks = read_parts(chain, place, weights, tensors)
    last = chain.layers[-1].name
    outputs = chain.outputs or [(last, i) for i in range(len(tensors[last]))]
    if outputs != [(last, 0)]:
        raise model.refused("it returns several outputs, expected one inside another model")
    place.tensors = [~0]
    return parts, masks


def freeze(parts: Parts, layer: Layer) -> None:
    """What Keras does not train pyrnn does not either."""
    if not layer.trainable:
        for part in parts:
            part.freeze()


def _check_mask(chain: Chain, layer: Layer, place: Place) -> None:
    """ValueError for a layer that is given another mask than the one that comes along."""
    source = chain.masks.get(layer.name)
    if source is not None and (place.masked is None or chain.inputs.get(place.masked) != source):
        raise layer.refused(
            "it is given a mask of its own, expected the one that a Masking or an Embedding makes"
        )
