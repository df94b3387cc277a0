"""A model's configuration and weights as one module, with the outputs that it returns."""

from typing import Any

from .. import layers
from .._base.checks import describe
from .._base.module import Module
from . import _dense, _recurrent  # noqa: F401  (their functions enter themselves as readers)
from ._config import Layer, read_chain
from ._containers import MaskedSequential, WithStates
from ._readers import Place, read_parts


def read_model(model: Layer, file: Any) -> Module:
    """The whole model: a Sequential, or one of Keras' own kinds of it."""
    place = Place(file)
    chain = read_chain(model)
    tensors: dict[str, list[int]] = {}
    parts, masks = read_parts(chain, place, file.model(), tensors)
    made: Module = MaskedSequential(*parts) if masks else layers.Sequential(*parts)
    if not model.trainable:
        made.freeze()
    wanted = chain.outputs
    last = chain.layers[-1].name
    if wanted is None:
        wanted = [(last, i) for i in range(len(tensors[last]))]
    return _with_outputs(model, made, last, tensors, wanted)


def _with_outputs(
    model: Layer,
    made: Module,
    last: str,
    tensors: dict[str, list[int]],
    wanted: list[tuple[str, int]],
) -> Module:
    """The model with the outputs that it returns, and with no others."""
    own = 2 if made.gives_several else 1  # the first of all
    places = []
    for name, number in wanted:
        known = tensors.get(name, [])
        if not 0 <= number < len(known) or (known[number] < 0 and name != last):
            raise model.refused(
                f"it returns output {number} of layer {describe(name)}, expected outputs of its "
                "last layer and states"
            )
        place = known[number]
        places.append(place + own if place >= 0 else ~place)
    if places == list(range(own)):
        return made
    return WithStates(made, outputs=places)
