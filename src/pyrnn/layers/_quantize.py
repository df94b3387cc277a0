"""quantize: a model for inference whose weights take two bytes or one instead of four."""

import copy
from typing import Any, TypeVar

import numpy as np

from .._base.checks import describe
from .._base.module import Module
from .._base.quantized import FORMS, QuantizedParameter
from .._base.words import nearest_words

MOST_COLUMNS = 65536  # of a matrix in int8: sums of products fit 32 bits (packed_types.h)

M = TypeVar("M", bound=Module)


def quantize(model: M, weights: str) -> M:
    """A copy of a float32 model, for inference, whose weights take half or a quarter of the memory.

    The matrices of RNN, LSTM and GRU (W_ih, W_hh, W_hr), of Linear and of Embedding are kept in
    two bytes or in one, in memory and in files. Biases, peepholes and gains of layer normalisation
    stay float32, and so do x, y and all states.

    "bf16" rounds them to bfloat16, the upper half of a float32: 8 bits of precision, to nearest, so
    that each weight w changes by at most 2**-8 |w| / (1 + 2**-8), less than 0.4 percent. The
    results have the bits of the float32 model whose matrices were rounded.

    "int8" keeps each row of a matrix, which is one unit's of one gate, or an id's of an Embedding,
    as integers from -127 to 127 with a scale of its own, s = max |w| / 127 (rounded up to 17 bits):
    w = s round(w / s), so that each weight changes by at most s / 2. What is multiplied is rounded
    likewise in each call, row by row: x = r round(x / r) with r = max |x| / 127 of one sample at
    one step, and the same for h. Then

        W x = s r sum_k round(W_k / s) round(x_k / r)

    whose sum is one of integers, and exact: every instruction set gives the same one, and a row has
    the same bits alone and in any batch. A row of x with a number that is not finite gives NaN.

    The copy is a module of the same classes: calls, `run`, `predict`, lengths, masks, resets and
    streams are as before, as are `save`, pickle and deepcopy. `state_dict()` gives the rounded
    weights as float32, and so do ONNX files, in which x and h are not rounded; `export_c` writes
    the narrow ones, and rounds x and h. `vjp` and Trainer refuse it, and its matrices cannot be
    written: train the float32 model and quantize that again. Modules of other classes, yours among
    them, are copied as they are with their own parameters, and their parts are quantized. What is
    tied stays so.

    TypeError if `model` is no Module or `weights` no text. ValueError for another word than "bf16"
    and "int8"; for a model that is quantized already or has none of these layers; if one is of
    float64, or has weights that are not finite once rounded; in int8 for matrices of more than
    65536 columns; and for Attention, AttentionDecoder and Seq2Seq, which read the weights of their
    parts themselves.

    Examples
    --------
    >>> model = pyrnn.Sequential(pyrnn.GRU(3, 64, seed=0), pyrnn.Linear(64, 2, seed=1))
    >>> small, x = pyrnn.quantize(model, "bf16"), np.ones((1, 5, 3), np.float32)
    >>> bool(abs(small(x) - model(x)).max() < 2e-3)
    True
    >>> model.summary().total.bytes, small.summary().total.bytes
    (53512, 27528)
    >>> smaller = pyrnn.quantize(model, "int8")
    >>> bool(abs(smaller(x) - model(x)).max() < 2e-3), smaller.summary().total.bytes
    (True, 16080)
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
    rounded = {id(p): _rounded(name, p, FORMS[weights]) for name, p in chosen.items()}
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
    for parameter in model.parameters():
        if isinstance(parameter, QuantizedParameter):
            raise ValueError(
                f"quantize: model has weights in {parameter.form} already, expected the float32 "
                "model"
            )
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


def _rounded(name: str, parameter: Any, form: type[QuantizedParameter]) -> QuantizedParameter:
    """The parameter in that form."""
    if form is FORMS["int8"] and parameter.shape[1] > MOST_COLUMNS:
        raise ValueError(
            f"quantize: {name} has {parameter.shape[1]} columns, expected at most {MOST_COLUMNS} "
            "in int8"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # it is told below
        rounded = form.nearest(parameter.data)
        # Both: the bits of some NaN are rounded to those of a zero.
        finite = np.isfinite(parameter.data).all() and np.isfinite(rounded.data).all()
    if not finite:
        raise ValueError(
            f"quantize: {name} has numbers that are not finite in {form.form}, expected finite "
            "weights of at most 3.39e38"
        )
    return rounded
