"""The inside of a recurrent layer over one sequence: every sum, gate and state of every step.

Each layer and direction runs alone here, as a layer of its own, which gives h and c of all steps.
Its sums and gates are computed again from these states, for all steps at once, with the core's
kernels: a Linear of [x_t, h_before] adds in the order in which the layer does.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .._base.checks import Array
from .._base.computed_once import ComputedOnce
from .._base.inputs import as_state, has_c
from ._equations import EPS, Equation, kept_shares, normalised, without_kept
from ._linear import Linear

States = tuple[Array, ...]  # h, or h and c


class Term(NamedTuple):
    """A term of a sum: "b", or "x" or "h" with the number of a feature or unit."""

    name: str
    weight: float
    value: float


class Direction:
    """One direction of one layer over one sequence, all arrays (T, ...) in the sequence's order.

    `values` has an array (T, H) for each of the layer's equations, and the states before.
    """

    def __init__(self, layer: Any, number: int, reverse: bool, x: Array, start: States) -> None:
        self.number, self.reverse, self.x = number, reverse, x
        self.single = _alone(layer, number, reverse, x.shape[-1])
        self.has_c = has_c(self.single)
        self.equations: list[Equation] = self.single._equations()
        self.values = dict(self._forward(start))

    def _forward(self, start: States) -> Iterator[tuple[str, Array]]:
        """The name and the values of each line."""
        options = {"return_cells": True} if self.has_c else {}
        y, _, *cells = self.single(self._turned(self.x)[None], _batched(start), **options)
        own = [y[0], *(c[0] for c in cells)]
        known = {"x": self._turned(self.x)}
        for name, values, first in zip(("h", "c"), own, start, strict=False):
            known |= {name: values, f"{name}_before": _shifted(values, first)}
        for line in self.equations:
            if line.block is not None:
                known[line.name] = self._sum(line, known)
            elif line.name not in known and line.compute is not None:
                known[line.name] = line.compute(known)
        del known["x"]
        yield from ((name, self._turned(values)) for name, values in known.items())

    def _turned(self, values: Array) -> Array:
        """Between the order of the sequence and that in which the steps are read."""
        return values[::-1] if self.reverse else values

    def _sum(self, line: Equation, known: dict[str, Array]) -> Array:
        """A line's sum for all steps."""
        weights = self._weights(line)
        if self.single.layer_norm:
            return self._normalised_sum(line, known)
        weight = np.concatenate([weights[name] for name in line.of], axis=1)
        linear = Linear(weight.shape[1], len(weight), dtype=weight.dtype, seed=0)
        linear.load_state_dict({"weight": weight, "bias": weights["b"]})
        y: Array = linear(np.concatenate([known[name] for name in line.of], axis=1))
        return y

    def _normalised_sum(self, line: Equation, known: dict[str, Array]) -> Array:
        """The same where W_ih x and W_hh h are normalised over all gates first."""
        total, rows = self._weights(line)["b"], self._rows(line)
        for name in line.of:
            side = "ih" if name == "x" else "hh"
            normal = normalised(known[name] @ self._weight(f"weight_{side}").T)
            total = total + (normal * self._weight(f"weight_ln_{side}"))[:, rows]
        return np.asarray(total)

    def _weights(self, line: Equation) -> dict[str, Array]:
        """A sum's weights by what they multiply, and its bias "b"."""
        rows, bias = self._rows(line), np.zeros(self.single.hidden_size, self.single.dtype)
        found = {}
        for name in line.of:
            side = "ih" if name == "x" else "hh"
            found[name] = self._weight(f"weight_{side}")[rows]
            if f"bias_{side}_l0" in vars(self.single):
                bias = bias + self._weight(f"bias_{side}")[rows]
        return found | {"b": bias}

    def _weight(self, name: str) -> Array:
        array: Array = getattr(self.single, f"{name}_l0").data
        return array

    def _rows(self, line: Equation) -> slice:
        assert line.block is not None
        return slice(
            line.block * self.single.hidden_size, (line.block + 1) * self.single.hidden_size
        )

    def terms(self, line: Equation, t: int, unit: int) -> list[Term]:
        """The terms of a sum, the bias first; none where they are normalised before they meet."""
        if line.block is None or self.single.layer_norm:
            return []
        weights = self._weights(line)
        terms = [Term("b", float(weights["b"][unit]), 1.0)]
        for name in line.of:
            values = self.x[t] if name == "x" else self.values[name][t]
            letter = "x" if name == "x" else "h"
            pairs = zip(weights[name][unit].tolist(), values.tolist(), strict=True)
            terms += [
                Term(f"{letter}{k}", weight, value) for k, (weight, value) in enumerate(pairs)
            ]
        return terms

    def backward(self, dy: Array, dstate: States) -> tuple[Array, States, Array, Array | None]:
        """(dx, the initial state's gradient, dL/dh_t, dL/dc_t) of dL/dy (T, H) and the final
        state's gradient, step by step through the layer's own backward pass."""
        values, kept = self.values, kept_shares(self.single)
        dx, dh = np.zeros_like(self.x), np.zeros_like(dy)
        dc = np.zeros_like(values["c"]) if self.has_c else None
        steps = list(range(len(self.x)))
        back = list(dstate)
        for t in steps if self.reverse else reversed(steps):
            back[0] = dh[t] = back[0] + dy[t]
            before = [values["h_before"][t]]
            if dc is not None:
                before.append(values["c_before"][t])
                dc[t] = back[1] + (1 - kept[0]) * self._through_output(t, dh[t])
            _, pullback = self._still.vjp(self.x[None, None, t], _batched(before))
            inward = [(1 - share) * d for share, d in zip(kept, back, strict=False)]
            d_x, d_state = pullback.compute(None, _batched(inward))[0]
            dx[t] = d_x[0, 0]
            d_state = d_state if self.has_c else (d_state,)
            back = [d[0, 0] + z * b for d, z, b in zip(d_state, kept, back, strict=False)]
        return dx, tuple(back), dh, dc

    @ComputedOnce
    def _still(self) -> Any:
        """The layer without zoneout, which draws in training; `backward` adds its expectation."""
        return without_kept(self.single)

    def _through_output(self, t: int, dh: Array) -> Array:
        """What comes from h_t to c_t within the step, through o and tanh(c)."""
        single, values = self.single, self.values
        if single.proj_size:
            dh = dh @ self._weight("weight_hr")
        c = values.get("c_new", values["c"])[t]
        seen = np.tanh(values["c_seen"][t] if single.layer_norm else c)
        o = values["o"][t]
        d = dh * o * (1 - seen**2)
        if single.layer_norm:
            d, normal = d * self._weight("weight_ln_c"), normalised(c)
            d = (d - d.mean() - normal * (d * normal).mean()) / np.sqrt(c.var() + EPS)
        if single.peephole:
            d = d + dh * seen * o * (1 - o) * values["p_o"][t]
        return np.asarray(d * (1 - kept_shares(single)[1]), single.dtype)


class Inside:
    """A recurrent layer over one sequence x (T, F), from a state of (L*D, H) arrays; None is zero.

    `directions` are those of all its layers in the order of its states, `y` (T, features) and
    `state` what it gives.
    """

    def __init__(self, layer: Any, x: Array, state: tuple[Array | None, ...] = ()) -> None:
        self.layer, self.x = layer, x
        widths = (layer.output_size, layer.hidden_size)[: 1 + has_c(layer)]
        given = [*state, *[None] * (len(widths) - len(state))]
        rows = layer.num_layers * layer.num_directions
        starts = [
            np.zeros((rows, width), layer.dtype) if s is None else np.asarray(s)
            for s, width in zip(given, widths, strict=True)
        ]
        self.start = tuple(starts)
        self.directions: list[Direction] = []
        for number in range(layer.num_layers):
            for d in range(layer.num_directions):
                reverse = layer.direction == "reverse" or d == 1
                start = tuple(s[len(self.directions)] for s in starts)
                self.directions.append(Direction(layer, number, reverse, x, start))
            here = self.directions[-layer.num_directions :]
            x = MERGES[layer.merge][0]([d.values["h"] for d in here])
        self.y = x

    @property
    def state(self) -> States:
        """The final state, (L*D, H) each."""
        names = ("h", "c")[: 1 + has_c(self.layer)]
        ends = [(d, 0 if d.reverse else -1) for d in self.directions]
        return tuple(np.stack([d.values[name][end] for d, end in ends]) for name in names)

    def backward(
        self, dy: Array, dstate: tuple[Array | None, ...] = ()
    ) -> tuple[Array, States, list[tuple[Array, Array | None]]]:
        """(dx, the initial state's gradient, (dL/dh_t, dL/dc_t) of each direction)."""
        D, state = self.layer.num_directions, self.state
        given = [*dstate, *[None] * (len(state) - len(dstate))]
        ends = [np.zeros_like(s) if d is None else d for d, s in zip(given, state, strict=True)]
        starts: list[Any] = [None] * len(self.directions)
        found: list[Any] = [None] * len(self.directions)
        for first in reversed(range(0, len(self.directions), D)):
            here = self.directions[first : first + D]
            dys = MERGES[self.layer.merge][1](dy, [d.values["h"] for d in here])
            dy = np.zeros_like(here[0].x)
            for at, (direction, d) in enumerate(zip(here, dys, strict=True), start=first):
                dx, starts[at], *found[at] = direction.backward(d, tuple(e[at] for e in ends))
                dy = dy + dx
        return dy, tuple(np.stack(s) for s in zip(*starts, strict=True)), found

    def influence(self) -> Array:
        """(T, T): the Frobenius norm of dy_t/dx_s, for each t and s."""
        if any(kept_shares(self.layer)):
            raise ValueError(
                f"trace.influence: {self.layer!r} draws masks for its states in training, expected "
                "a layer without zoneout"
            )
        options = {
            k: v for k, v in self.layer.config().items() if k not in self.layer.training_options
        }
        quiet = type(self.layer)(**options | {"batch_first": True}, seed=0)
        quiet.load_state_dict(self.layer.state_dict())
        steps, width = self.y.shape
        found, ones = np.zeros((steps, steps)), np.eye(width, dtype=self.y.dtype)
        for t, row in enumerate(found):
            end = steps if self.layer.reads_backwards else t + 1
            x = np.repeat(self.x[None, :end], width, axis=0)
            start = [np.repeat(s[:, None], width, axis=1) for s in self.start]
            (y, _), pullback = quiet.vjp(x, as_state(*(*start, None)[:2]), rng=0)
            dy = np.zeros_like(y)
            dy[:, t] = ones
            dx = pullback.compute(dy)[0][0].astype(np.float64)
            row[:end] = np.sqrt((dx**2).sum(axis=(0, 2)))
        return found


# How the outputs of the directions become one, and the gradient of each.
MERGES: dict[str, tuple[Callable[[list[Array]], Array], Callable[..., list[Array]]]] = {
    "concat": (
        lambda hs: np.concatenate(hs, axis=-1),
        lambda dy, hs: np.split(dy, len(hs), axis=-1),
    ),
    "sum": (lambda hs: hs[0] + hs[1], lambda dy, hs: [dy, dy]),
    "average": (lambda hs: (hs[0] + hs[1]) / 2, lambda dy, hs: [dy / 2, dy / 2]),
    "mul": (lambda hs: hs[0] * hs[1], lambda dy, hs: [dy * hs[1], dy * hs[0]]),
}


def _alone(layer: Any, number: int, reverse: bool, features: int) -> Any:
    """One direction of one layer as a layer that reads forwards, nothing dropped."""
    changed = {"input_size": features, "num_layers": 1, "bidirectional": False, "merge": "concat"}
    changed |= {"direction": "forward", "batch_first": True}
    options = {k: v for k, v in layer.config().items() if k not in layer.training_options}
    single = type(layer)(**{k: changed.get(k, v) for k, v in options.items()}, seed=0)
    suffix = "_reverse" if reverse and layer.bidirectional else ""
    for name, parameter in single.named_parameters():
        parameter[...] = getattr(layer, name.replace("_l0", f"_l{number}{suffix}")).data
    return single


def _batched(state: Any) -> Any:
    """A state of vectors (H,) as that of one layer and one row."""
    h, *c = (np.ascontiguousarray(s)[None, None] for s in state)
    return as_state(h, c[0] if c else None)


def _shifted(values: Array, first: Array) -> Array:
    """The values of the steps before, from the first on."""
    return np.concatenate([first[None], values])[:-1]
