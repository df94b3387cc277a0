"""Initialisers: each overwrites one Parameter in place and returns nothing.

`generator` is an `np.random.Generator`, an int seed, or None: that of `pyrnn.seed`, or else the
operating system's entropy.
Numbers are drawn in float64 and rounded, so float32 and float64 parameters get the same values.

    init.orthogonal(lstm.weight_hh_l0, blocks=4, generator=0)   # one orthogonal matrix per gate
    init.forget_gate_bias(lstm)
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ._base.checks import check_number, check_size, describe
from ._base.module import Module
from ._base.parameter import Parameter
from ._base.seeding import generator as generator_of

__all__ = [
    "forget_gate_bias",
    "glorot_normal",
    "glorot_uniform",
    "normal",
    "ones",
    "orthogonal",
    "uniform",
    "zeros",
]

Initialiser = TypeVar("Initialiser", bound=Callable[..., None])
Seed: TypeAlias = "np.random.Generator | int | None"  # as text: numpy.random is slow to import


def _initialiser(function: Initialiser) -> Initialiser:
    """With a TypeError for what is no Parameter, such as its data, whatever the others are; nothing
    is drawn for one whose weights come from a file."""

    @wraps(function)
    def checked(parameter: Parameter, *args: Any, **options: Any) -> None:
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"init.{function.__name__}: parameter is {describe(parameter)}, "
                "expected a pyrnn.Parameter"
            )
        if not parameter.hollow:
            function(parameter, *args, **options)

    return cast(Initialiser, checked)


@_initialiser
def zeros(parameter: Parameter) -> None:
    """p = 0.

    Examples
    --------
    >>> layer = pyrnn.Linear(2, 2, seed=0)
    >>> pyrnn.init.zeros(layer.bias)
    >>> layer.bias.data
    array([0., 0.], dtype=float32)
    """
    parameter[...] = 0.0


@_initialiser
def ones(parameter: Parameter) -> None:
    """p = 1.

    Examples
    --------
    >>> layer = pyrnn.Linear(2, 2, seed=0)
    >>> pyrnn.init.ones(layer.bias)
    >>> layer.bias.data
    array([1., 1.], dtype=float32)
    """
    parameter[...] = 1.0


@_initialiser
def uniform(parameter: Parameter, bound: float, *, generator: Seed = None) -> None:
    """p ~ U(-bound, bound). torch's default for linear and recurrent layers has bound
    1/sqrt(in_features) and 1/sqrt(hidden_size). ValueError unless bound is finite and >= 0.

    Examples
    --------
    >>> layer = pyrnn.Linear(100, 100, seed=0)
    >>> pyrnn.init.uniform(layer.weight, 0.1, generator=0)
    >>> bool(abs(layer.weight.data).max() <= np.float32(0.1))
    True
    """
    rng = _generator("uniform", generator)
    bound = check_number("init.uniform", "bound", bound)
    if not (math.isfinite(bound) and bound >= 0):
        raise ValueError(f"init.uniform: bound is {bound}, expected a finite number >= 0")
    _write(parameter, rng.uniform(-bound, bound, parameter.shape))


@_initialiser
def normal(parameter: Parameter, std: float = 1.0, *, generator: Seed = None) -> None:
    """p ~ N(0, std^2), as torch.nn.init.normal_. ValueError unless std is finite and >= 0.

    Examples
    --------
    >>> layer = pyrnn.Linear(100, 100, seed=0)
    >>> pyrnn.init.normal(layer.weight, 0.5, generator=0)
    >>> round(float(layer.weight.data.std()), 1)
    0.5
    """
    rng = _generator("normal", generator)
    std = check_number("init.normal", "std", std)
    if not (math.isfinite(std) and std >= 0):
        raise ValueError(f"init.normal: std is {std}, expected a finite number >= 0")
    _write(parameter, std * rng.standard_normal(parameter.shape))


@_initialiser
def glorot_uniform(parameter: Parameter, gain: float = 1.0, *, generator: Seed = None) -> None:
    """p ~ U(-a, a) with a = gain * sqrt(6 / (fan_in + fan_out)) for a matrix (fan_out, fan_in).

    Glorot & Bengio 2010, equation 16. ValueError unless the parameter is a matrix.

    Examples
    --------
    >>> layer = pyrnn.Linear(2, 4, seed=0)
    >>> pyrnn.init.glorot_uniform(layer.weight, generator=0)  # bound sqrt(6 / (2 + 4)) = 1
    >>> bool(0.5 < abs(layer.weight.data).max() < 1)
    True
    """
    fan_out, fan_in = _matrix_shape("glorot_uniform", parameter)
    gain = check_number("init.glorot_uniform", "gain", gain)
    bound = gain * math.sqrt(6.0 / max(fan_in + fan_out, 1))
    rng = _generator("glorot_uniform", generator)
    _write(parameter, rng.uniform(-bound, bound, parameter.shape))


@_initialiser
def glorot_normal(parameter: Parameter, gain: float = 1.0, *, generator: Seed = None) -> None:
    """p ~ N(0, s^2) with s = gain * sqrt(2 / (fan_in + fan_out)) for a matrix (fan_out, fan_in).

    Glorot & Bengio 2010. ValueError unless the parameter is a matrix.

    Examples
    --------
    >>> layer = pyrnn.Linear(100, 100, seed=0)
    >>> pyrnn.init.glorot_normal(layer.weight, generator=0)
    >>> round(float(layer.weight.data.std()), 2)  # sqrt(2 / 200)
    0.1
    """
    fan_out, fan_in = _matrix_shape("glorot_normal", parameter)
    gain = check_number("init.glorot_normal", "gain", gain)
    scale = gain * math.sqrt(2.0 / max(fan_in + fan_out, 1))
    rng = _generator("glorot_normal", generator)
    _write(parameter, scale * rng.standard_normal(parameter.shape))


@_initialiser
def orthogonal(
    parameter: Parameter, gain: float = 1.0, *, blocks: int = 1, generator: Seed = None
) -> None:
    """p = gain * Q for a matrix (R, C), Q with orthonormal rows (R <= C) or columns (R > C).

    `blocks` cuts the rows into that many equal parts with an orthogonal matrix each: 4 for the
    `weight_hh` of an LSTM, 3 for a GRU, 1 for an RNN. Saxe et al. 2014.
    ValueError unless the parameter is a matrix whose rows `blocks` divides.

    Examples
    --------
    >>> lstm = pyrnn.LSTM(3, 8, seed=0)
    >>> pyrnn.init.orthogonal(lstm.weight_hh_l0, blocks=4, generator=0)  # one matrix per gate
    >>> gate = lstm.weight_hh_l0.data[:8]
    >>> np.allclose(gate @ gate.T, np.eye(8), atol=1e-6)
    True
    """
    rows, columns = _matrix_shape("orthogonal", parameter)
    gain = check_number("init.orthogonal", "gain", gain)
    blocks = check_size("init.orthogonal", "blocks", blocks)
    if rows % blocks:
        raise ValueError(
            f"init.orthogonal: blocks is {blocks}, expected a divisor of the {rows} rows"
        )
    rng = _generator("orthogonal", generator)
    parts = [_orthogonal_matrix(rows // blocks, columns, rng) for _ in range(blocks)]
    _write(parameter, gain * np.concatenate(parts))


def forget_gate_bias(lstm: Module, value: float = 1.0) -> None:
    """Sets the forget gate's bias to `value` in every layer and direction of one LSTM.

    An LSTM adds two biases: bias_ih gets `value` and bias_hh, if there is one, 0 in the forget
    gate's part.
    Jozefowicz et al. 2015. TypeError if the module is no LSTM, ValueError if it has no bias or
    coupled gates, which have no forget gate of their own.

    Examples
    --------
    >>> lstm = pyrnn.LSTM(3, 2, seed=0)
    >>> pyrnn.init.forget_gate_bias(lstm, 1.0)
    >>> (lstm.bias_ih_l0.data + lstm.bias_hh_l0.data)[2:4]  # gates i, f, g, o
    array([1., 1.], dtype=float32)
    """
    layer: Any = lstm
    gate = getattr(layer, "forget_gate", None)  # its place among the gates
    if gate is None:
        raise TypeError(f"init.forget_gate_bias: lstm is {describe(lstm)}, expected an LSTM")
    value = check_number("init.forget_gate_bias", "value", value)
    if getattr(lstm, "coupled_gates", False):
        raise ValueError("init.forget_gate_bias: this LSTM has coupled_gates=True, no forget gate")
    ours = ("bias_ih", "bias_hh")
    biases = [(name, p) for name, p in lstm.named_parameters() if name.startswith(ours)]
    if not biases:
        raise ValueError("init.forget_gate_bias: this LSTM was made with bias=False")
    for name, parameter in biases:
        H = layer.hidden_size
        parameter[gate * H : (gate + 1) * H] = value if name.startswith("bias_ih") else 0.0


def _generator(function: str, generator: Any) -> "np.random.Generator":
    """A generator, or that of a seed."""
    if isinstance(generator, np.random.Generator):
        return generator
    return generator_of(f"init.{function}", generator, "generator")


def _matrix_shape(function: str, parameter: Parameter) -> tuple[int, int]:
    """(rows, columns) of a matrix, or a ValueError."""
    if parameter.ndim != 2:
        raise ValueError(
            f"init.{function}: parameter has shape {parameter.shape}, expected two axes"
        )
    rows, columns = parameter.shape
    return rows, columns


def _orthogonal_matrix(rows: int, columns: int, rng: "np.random.Generator") -> NDArray[np.float64]:
    """A matrix drawn uniformly (Haar) from those with orthonormal rows or columns."""
    draw = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draw)
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # without it QR's sign convention biases the draw
    return q if rows >= columns else q.T


def _write(parameter: Parameter, values: NDArray[np.float64]) -> None:
    """Writes float64 values, rounded to the parameter's dtype."""
    parameter[...] = values.astype(parameter.dtype)
