"""The equations of RNN, LSTM and GRU line by line, as `pyrnn.trace` shows and computes them.

A step's arrays (T, H) are known by name: a_i is what the gate i is the sigmoid of, "_before" means
the state of the step before. h and c are the layer's own and are not computed again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._base.checks import Array, as_contiguous
from .._base.runtime import num_threads

Known = dict[str, Array]
EPS = 1e-5  # of layer normalisation, as in the core


class Equation(NamedTuple):
    """A line: its name, its right-hand side with the names of other lines in it, and its function.

    A line with `block` is a sum, b + W x + W h with the rows of that gate; `of` says whether over
    "x", "h", both, or "x" and "rh" (r * h_before). A line without both is the layer's own h or c.
    """

    name: str
    text: str = ""
    compute: Callable[[Known], Array] | None = None
    block: int | None = None
    of: tuple[str, ...] = ("x", "h_before")


def of_rnn(layer: Any) -> list[Equation]:
    """h = f(a)."""
    return [Equation("a", block=0), *_of_h(layer, _applied("h", layer.nonlinearity, "a"))]


def of_gru(layer: Any) -> list[Equation]:
    """r and z, the candidate n, and h between n and the h before."""
    lines = [*_gate("r", 0), *_gate("z", 1)]
    if layer.reset_after:
        lines += [
            Equation("x_n", block=2, of=("x",)),
            Equation("h_n", block=2, of=("h_before",)),
            Equation("a_n", "r * h_n + x_n", lambda v: fused(v["r"], v["h_n"], v["x_n"])),
        ]
    else:
        lines += [
            Equation("rh", "r * h_before", lambda v: v["r"] * v["h_before"]),
            Equation("a_n", block=2, of=("x", "rh")),
        ]
    mixed = Equation(
        "h",
        "(1 - z) * n + z * h_before",
        lambda v: fused(v["z"], v["h_before"] - v["n"], v["n"]),
    )
    return [*lines, _applied("n", "tanh", "a_n"), *_of_h(layer, mixed)]


def of_lstm(layer: Any) -> list[Equation]:
    """The gates, then c, then h."""
    coupled, now = layer.coupled_gates, "c_new" if layer.zoneout_cell else "c"
    lines = _peeping(layer, "i", 0, "c_before", 0)
    if coupled:
        lines.append(Equation("f", "1 - i", lambda v: 1 - v["i"]))
    else:
        lines += _peeping(layer, "f", 1, "c_before", 1)
    lines += [Equation("a_g", block=1 if coupled else 2), _applied("g", "tanh", "a_g")]
    lines += _of_c(layer, now)
    lines += _peeping(layer, "o", 2 if coupled else 3, now, 1 if coupled else 2)
    seen = now
    if layer.layer_norm:
        seen = "c_seen"
        lines.append(Equation(seen, f"LN({now})", lambda v: _normalised_cell(layer, v[now])))
    out = Equation("h", f"o * tanh({seen})", lambda v: v["o"] * activation("tanh", v[seen]))
    if layer.proj_size:
        lines.append(out._replace(name="m"))
        out = Equation("h", "W_hr m", lambda v: v["m"] @ layer.weight_hr_l0.data.T)
    return [*lines, *_of_h(layer, out)]


def _gate(name: str, block: int) -> list[Equation]:
    """A sum and its sigmoid."""
    return [Equation(f"a_{name}", block=block), _applied(name, "sigmoid", f"a_{name}")]


def _applied(name: str, function: str, of: str) -> Equation:
    text = of if function == "identity" else f"{function}({of})"
    return Equation(name, text, lambda v: activation(function, v[of]))


def _peeping(layer: Any, name: str, block: int, c: str, place: int) -> list[Equation]:
    """A gate which, with peepholes, sees c, too; `place` is that of its peephole's weights."""
    if not layer.peephole:
        return _gate(name, block)
    units = slice(place * layer.hidden_size, (place + 1) * layer.hidden_size)
    p, total = f"p_{name}", f"s_{name}"
    return [
        Equation(total, block=block),
        Equation(
            p, "", lambda v: np.broadcast_to(layer.weight_peephole_l0.data[units], v[c].shape)
        ),
        Equation(f"a_{name}", f"{p} * {c} + {total}", lambda v: fused(v[p], v[c], v[total])),
        _applied(name, "sigmoid", f"a_{name}"),
    ]


def _of_c(layer: Any, now: str) -> list[Equation]:
    """c, with its clip and its zoneout."""
    text, clip = "f * c_before + i * g", layer.cell_clip

    def compute(v: Known) -> Array:
        c = fused(v["f"], v["c_before"], v["i"] * v["g"])
        return c if clip is None else np.clip(c, -clip, clip)

    text = text if clip is None else f"clip({text})"
    lines = [Equation(now, text, compute)]
    if layer.zoneout_cell:
        lines.append(_kept("c", layer.zoneout_cell))
    return lines


def _of_h(layer: Any, line: Equation) -> list[Equation]:
    """h, with its zoneout."""
    if not layer.zoneout:
        return [line]
    return [line._replace(name="h_new"), _kept("h", layer.zoneout)]


def kept_shares(layer: Any) -> tuple[float, float]:
    """How much of h and of c stays as it was, on average."""
    return layer.zoneout, getattr(layer, "zoneout_cell", 0.0)


def without_kept(layer: Any) -> Any:
    """The layer without zoneout, which draws in training."""
    config = layer.config() | {"zoneout": 0.0}
    config |= {"zoneout_cell": 0.0} if "zoneout_cell" in config else {}
    made = type(layer)(**config, seed=0)
    made.load_state_dict(layer.state_dict())
    return made


def _kept(name: str, share: float) -> Equation:
    """A state, a share of which stays as it was."""
    text = f"{share:g} * {name}_before + {1 - share:g} * {name}_new"
    return Equation(
        name, text, lambda v: share * v[f"{name}_before"] + (1 - share) * v[f"{name}_new"]
    )


def _normalised_cell(layer: Any, c: Array) -> Array:
    bias = layer.bias_ln_c_l0.data if "bias_ln_c_l0" in vars(layer) else 0
    return np.asarray(normalised(c) * layer.weight_ln_c_l0.data + bias, c.dtype)


def normalised(values: Array) -> Array:
    """Mean 0 and variance 1 over the last axis."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(values.var(axis=-1, keepdims=True) + EPS), values.dtype)


def activation(name: str, a: Array) -> Array:
    """The core's sigmoid, tanh or relu, or a itself."""
    if name == "identity":
        return a
    return _core.activation_forward(name, as_contiguous(a), num_threads())


def fused(a: Array, b: Array, c: Array) -> Array:
    """a * b + c rounded once, as the core's fused multiply-add; in float64 to the last bit but one.

    Of float32, the product is exact in float64, and the sum is rounded there to an odd last digit
    (Boldo and Melquiond 2008), so that the second rounding gives what one would.
    """
    product = a.astype(np.float64) * b
    total = product + c
    if a.dtype == np.float64:
        return total
    back = total - product
    error = (product - (total - back)) + (c - back)
    even = (total.view(np.int64) & 1) == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    odd = np.where((error != 0) & even, np.nextafter(total, towards), total)
    return odd.astype(a.dtype)
