"""Models for the tests of quantize, and the float32 models that they have to equal."""

import copy

import numpy as np

import pyrnn


def nearest(values):
    """The numbers with 8 bits of precision next to those of float32; ties to even."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    return np.ldexp(np.rint(mantissa * 2**8) / 2**8, exponent).astype(np.float32)


def matrices(model):
    """The parameters that are rounded, by name: of the layers here all that have two axes."""
    return {name: p for name, p in model.named_parameters() if p.ndim == 2}


def rounded(model):
    """The float32 model whose matrices were rounded."""
    model = copy.deepcopy(model)
    for parameter in matrices(model).values():
        parameter[...] = nearest(parameter.data)
    return model


def pair(case):
    """The same problem for the layer in bf16, and for the float32 layer with rounded weights."""
    narrow, wide = case.any_problem(), case.any_problem()
    narrow.layer, wide.layer = pyrnn.quantize(narrow.layer, "bf16"), rounded(wide.layer)
    return narrow, wide


def text_model():
    return pyrnn.Sequential(
        pyrnn.Embedding(31, 12, padding_idx=0, seed=0),
        pyrnn.LSTM(12, 40, num_layers=2, dropout=0.1, seed=1),
        pyrnn.LayerNorm(40),
        pyrnn.TimeDistributed(pyrnn.Linear(40, 9, seed=2)),
        pyrnn.Residual(pyrnn.Linear(9, 9, bias=False, seed=3)),
        pyrnn.GRU(9, 16, seed=4),
        pyrnn.LastStep(),
        pyrnn.Linear(16, 3, seed=5),
    )


def chain_model():
    """All of it is known to the core."""
    return pyrnn.Sequential(
        pyrnn.Embedding(31, 12, seed=0),
        pyrnn.LSTM(12, 40, num_layers=2, seed=1),
        pyrnn.LayerNorm(40),
        pyrnn.Linear(40, 9, seed=2),
        pyrnn.Tanh(),
        pyrnn.GRU(9, 130, seed=3),
        pyrnn.Linear(130, 5, seed=4),
        pyrnn.Softmax(),
    )


def ids(rng):
    return rng.integers(0, 31, (4, 7))
