"""Keras' layers that work on each step or on all of them, as parts of pyrnn's."""

from typing import Any

import numpy as np

from .. import layers
from .._base.checks import describe
from .._base.module import Module
from ._cells import filled
from ._config import Layer, is_model, read_chain
from ._parts import EndMask, MaskedEmbedding, Masking
from ._readers import Parts, Place, freeze, read_layer, read_parts, reads
from ._weights import Weights


@reads("Embedding")
def _embedding(layer: Layer, weights: Weights, place: Place) -> Parts:
    sizes = layer.size("input_dim"), layer.size("output_dim")
    masks = layer.flag("mask_zero")
    (table,) = weights.take(layer, "embeddings")
    if table.shape != sizes:
        raise layer.refused(f"its embeddings are {table.shape}, expected {sizes}")
    layer.finish("input_length")
    make = MaskedEmbedding if masks else layers.Embedding
    place.masked = layer.name if masks else None
    return [filled({"weight": table}, lambda dtype: make(*sizes, dtype=dtype))]


@reads("Masking")
def _masking(layer: Layer, weights: Weights, place: Place) -> Parts:
    value = layer.number("mask_value", 0.0)
    layer.finish()
    place.masked = layer.name
    return [Masking(value)]


@reads("Dense")
def _dense(layer: Layer, weights: Weights, place: Place) -> Parts:
    units, biased = layer.size("units"), layer.flag("use_bias", True)
    kernel, *bias = weights.take(layer, *["kernel", "bias"][: 1 + biased])
    widths = [kernel.shape[1:], *(array.shape for array in bias)]
    if widths != [(units,)] * (1 + biased):
        raise layer.refused(f"its kernel is {kernel.shape}, which does not fit {units} units")
    given = dict(zip(("weight", "bias"), (kernel.T, *bias), strict=False))
    after = _activation(layer)
    layer.finish()

    def make(dtype: Any) -> Module:
        return layers.Linear(len(kernel), units, bias=biased, dtype=dtype)

    return [filled(given, make), *after]


@reads("Activation")
def _activation_layer(layer: Layer, weights: Weights, place: Place) -> Parts:
    parts = _activation(layer)
    layer.finish()
    return parts or [layers.Identity()]


def _activation(layer: Layer) -> Parts:
    """The part that an option `activation` asks for, or none."""
    name = layer.word("activation", "linear")
    known: dict[str, Any] = {
        "tanh": layers.Tanh,
        "relu": layers.ReLU,
        "sigmoid": layers.Sigmoid,
        "softmax": layers.Softmax,
    }
    if name != "linear" and name not in known:
        raise layer.refused(
            f"activation is {describe(name)}, expected 'linear', {', '.join(map(describe, known))}"
        )
    return [known[name]()] if name in known else []


@reads("ReLU")
def _relu(layer: Layer, weights: Weights, place: Place) -> Parts:
    layer.expect("max_value", None)
    layer.expect("negative_slope", 0.0, 0)
    layer.expect("threshold", 0.0, 0)
    layer.finish()
    return [layers.ReLU()]


@reads("Softmax")
def _softmax(layer: Layer, weights: Weights, place: Place) -> Parts:
    layer.expect("axis", -1, [-1])
    layer.finish()
    if place.masked is not None:
        raise layer.refused("a mask comes to it, which it would lay on the features")
    return [layers.Softmax()]


@reads("Dropout")
def _dropout(layer: Layer, weights: Weights, place: Place) -> Parts:
    rate = layer.number("rate", 0.5)
    layer.expect("noise_shape", None)
    layer.finish("seed")
    return [layers.Dropout(rate)]


@reads("SpatialDropout1D", "Identity", "ActivityRegularization")
def _identity(layer: Layer, weights: Weights, place: Place) -> Parts:
    layer.finish("rate", "seed", "data_format", "l1", "l2")
    return [layers.Identity()]


@reads("LayerNormalization")
def _layer_norm(layer: Layer, weights: Weights, place: Place) -> Parts:
    last = 2 if place.has_time else 1
    layer.expect("axis", -1, [-1], last, [last])
    layer.expect("rms_scaling", False)
    eps = layer.number("epsilon", 1e-3)
    center, scale = layer.flag("center", True), layer.flag("scale", True)
    names = [*["gamma"] * scale, *["beta"] * center]
    arrays = dict(zip(names, weights.take(layer, *names), strict=True))
    layer.finish()
    if len({a.shape for a in arrays.values()}) != 1 or next(iter(arrays.values())).ndim != 1:
        raise layer.refused("it has no gamma and no beta of one length, expected one of them")
    beta = arrays.get("beta")
    gamma = arrays["gamma"] if scale else np.ones_like(beta)
    given = {"weight": gamma} | ({} if beta is None else {"bias": beta})

    def make(dtype: Any) -> Module:
        return layers.LayerNorm(len(gamma), eps=eps, bias=center, dtype=dtype)

    norm = filled(given, make)
    return [norm if scale else norm.freeze("weight")]


@reads("GlobalAveragePooling1D", "GlobalMaxPooling1D")
def _pool(layer: Layer, weights: Weights, place: Place) -> Parts:
    layer.expect("data_format", "channels_last", None)
    layer.expect("keepdims", False)
    layer.finish()
    masked, place.masked, place.has_time = place.masked is not None, None, False
    if layer.kind == "GlobalAveragePooling1D":
        return [layers.MeanPool()]
    return [*[EndMask()] * masked, layers.MaxPool()]  # Keras' takes no mask


@reads("TimeDistributed")
def _time_distributed(layer: Layer, weights: Weights, place: Place) -> Parts:
    inner = layer.layer("layer")
    layer.finish()
    inside = Place(place.file, place.masked, has_time=False)
    found = weights.inside("layer")
    if is_model(inner):
        parts, _ = read_parts(read_chain(inner), inside, found, {})
    else:
        parts = read_layer(inner, found, inside)
    freeze(parts, inner)
    if all(part.stepwise for part in parts) and inside.masked == place.masked:
        return parts
    if inside.masked is not None or place.masked is not None or len(inside.tensors) > 1:
        raise layer.refused("it meets a mask or gives several outputs, expected neither")
    return [layers.TimeDistributed(parts[0] if len(parts) == 1 else layers.Sequential(*parts))]
