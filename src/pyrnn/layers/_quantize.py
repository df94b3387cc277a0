"""quantize: a model for inference whose weights take two bytes instead of four."""

import copy
from typing import Any, TypeVar

import numpy as np

from .._base.checks import describe
from .._base.module import Module
from .._base.quantized import QuantizedParameter, is_quantized
from .._base.words import nearest_words

FORMS = ("bf16",)

M = TypeVar("M", bound=Module)


def quantize(model: M, weights: str) -> M:
    """A copy of a float32 model, for inference, whose weights take half the memory.

    With "bf16", the matrices of RNN, LSTM and GRU (W_ih, W_hh, W_hr), of Linear and of Embedding
    are rounded to bfloat16, the upper half of a float32: 8 bits of precision, to nearest, so that
    each weight w changes by at most 2**-8 |w| / (1 + 2**-8), less than 0.4 percent. Biases,
    peepholes and gains of layer normalisation stay float32, and so do x, y, all states and sums:
    the results have the bits of the float32 model whose matrices were rounded. A step of one row
    reads half the bytes, so that large layers take a little over half the time.

    The copy is a module of the same classes: calls, `run`, `predict`, lengths, masks, resets and
    streams are as before, as are `save`, pickle and deepcopy, whose files and copies hold bfloat16,
    too. `state_dict()` gives the rounded weights as float32, and so do exports. `vjp` and Trainer
    refuse it, and its matrices cannot be written: train the float32 model and quantize that again.
    Modules of other classes, yours among them, are copied as they are with their own parameters,
    and their parts are quantized. What is tied stays so.

    TypeError if `model` is no Module or `weights` no text. ValueError for another word than "bf16";
    for a model that is quantized already or has none of these layers; if one is of float64, or has
    weights that are not finite in bfloat16; and for Attention, AttentionDecoder and Seq2Seq, which
    read the weights of their parts themselves.

    Examples
    --------
    >>> model = pyrnn.Sequential(pyrnn.GRU(3, 64, seed=0), pyrnn.Linear(64, 2, seed=1))
    >>> small, x = pyrnn.quantize(model, "bf16"), np.ones((1, 5, 3), np.float32)
    >>> bool(abs(small(x) - model(x)).max() < 2e-3)
    True
    >>> model.summary().total.bytes, small.summary().total.bytes
    (53512, 27528)
    """
    if not isinstance(model, Module):
        raise TypeError(f"quantize: model is {describe(model)}, expected a Module")
    _check_form(weights)
    chosen = _matrices(model)
    if not chosen:
        raise ValueError(
            f"quantize: {type(model).__name__} has no recurrent layer, Linear or Embedding, "
            "expected a model with weights that can be quantized"
        )
    rounded = {id(p): _rounded(name, p) for name, p in chosen.items()}
    return copy.deepcopy(model, dict(rounded))


def _check_form(weights: Any) -> None:
    """One of the words."""
    if not isinstance(weights, str):
        raise TypeError(f"quantize: weights is {describe(weights)}, expected {_words()}")
    if weights not in FORMS:
        near = nearest_words(weights.lower(), FORMS)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"quantize: weights is {describe(weights)}, expected {_words()}{hint}")


def _words() -> str:
    return " or ".join(map(repr, FORMS))


def _matrices(model: Module) -> dict[str, Any]:
    """What is rounded, by name; ValueError for a model that cannot be quantized."""
    if any(map(is_quantized, model.parameters())):
        raise ValueError("quantize: model has weights in bf16 already, expected the float32 model")
    found = {}
    for prefix, module in model.named_modules():
        name = type(module).__name__ + (f" {prefix!r}" if prefix else "")
        if type(module).parts_from_config:
            raise ValueError(
                f"quantize: model has the {name}, which reads the weights of its parts itself, "
                "expected RNN, LSTM, GRU, Linear, Embedding and modules that call their parts"
            )
        for own, parameter in module.matrices().items():
            if parameter.dtype != np.float32:
                raise ValueError(f"quantize: {name} is of {parameter.dtype}, expected float32")
            found[f"{own} of {name}"] = parameter
    return found


def _rounded(name: str, parameter: Any) -> QuantizedParameter:
    """The parameter in bf16."""
    rounded = QuantizedParameter.nearest(parameter.data)
    # Both: the bits of some NaN are rounded to those of a zero.
    if not (np.isfinite(parameter.data).all() and np.isfinite(rounded.data).all()):
        raise ValueError(
            f"quantize: {name} has numbers that are not finite in bfloat16, expected finite "
            "weights of at most 3.39e38"
        )
    return rounded
