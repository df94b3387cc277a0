"""Float64 numpy twin of a stack of layers, forward and backward through time, written to be read.

The C++ core is held to this file and to the cells in reference_cells.py. Shapes: T time steps, B
rows of the batch, I inputs, H hidden units, P = proj_size, or H without a projection. A sequence is
(T, B, I).

A row of length n takes part in the steps t < n. In the others its output is zero and its state
stands still, so that the reverse direction, which walks t from T-1 to 0, enters each row at its
own last step with its initial state.

Zoneout (Krueger et al. 2016): with h~ what the cell makes, h' = k h~ + (1-k) h, and c' likewise.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from reference_cells import CELLS, Weights, make_cell  # noqa: F401


class Masks(NamedTuple):
    """Zoneout's k and recurrent dropout's factors of one layer and direction."""

    keep_h: np.ndarray  # (T, B, P): 1 where h is new, 0 where it is that of the step before
    keep_c: np.ndarray  # (T, B, H)
    drop: np.ndarray  # (B, P): 0 or 1/(1-p)


class Tape(NamedTuple):
    """What a forward pass of a Stack leaves for the backward pass."""

    steps: list  # per layer and direction
    masks: list | None
    state_masks: list
    outputs: list  # per layer, those of its directions
    cells: np.ndarray  # (T, B, D*H): every c of the last layer


def run_direction(cell, w, masks, x, h, c, lengths, reverse):
    """One layer in one direction: y (T, B, P), the final h and c, all c (T, B, H), the tape."""
    T = len(x)
    y, cells, tape = np.zeros((T, *h.shape)), np.zeros((T, *c.shape)), []
    for t in range(T - 1, -1, -1) if reverse else range(T):
        active = (t < lengths)[:, None]
        new_h, new_c, saved = cell.forward(w, np.where(active, x[t], 0), h, c, masks.drop)
        k_h, k_c = masks.keep_h[t], masks.keep_c[t]
        new_h, new_c = k_h * new_h + (1 - k_h) * h, k_c * new_c + (1 - k_c) * c
        tape.append((t, active, saved, cell.kink(saved)))
        h, c = np.where(active, new_h, h), np.where(active, new_c, c)
        y[t], cells[t] = np.where(active, new_h, 0), np.where(active, new_c, 0)
    return y, h, c, cells, tape


def run_direction_backward(cell, w, masks, tape, d_y, d_h, d_c, d_cells):
    """Walks the tape back: the gradients of x, of the initial h and c, and of the weights."""
    grad = Weights(*(None if a is None else np.zeros_like(a) for a in w))
    d_x = np.zeros((*d_y.shape[:2], w.w_ih.shape[1]))
    for t, active, saved, _ in reversed(tape):
        d_out = np.where(active, d_y[t] + d_h, 0)
        d_new_c = np.where(active, d_c + d_cells[t], 0)
        k_h, k_c = masks.keep_h[t], masks.keep_c[t]
        given = k_h * d_out, k_c * d_new_c
        d_x[t], d_h_prev, d_c_prev = cell.backward(w, grad, saved, *given)
        d_h_prev, d_c_prev = d_h_prev + (1 - k_h) * d_out, d_c_prev + (1 - k_c) * d_new_c
        d_h, d_c = np.where(active, d_h_prev, d_h), np.where(active, d_c_prev, d_c)
    return d_x, d_h, d_c, grad


def merge(mode, outputs):
    """The outputs of a layer's directions as one."""
    if mode == "concat" or len(outputs) == 1:
        return np.concatenate(outputs, axis=2)
    a, b = outputs
    return {"sum": a + b, "mul": a * b, "average": (a + b) / 2}[mode]


def merge_backward(mode, d_y, outputs):
    """The gradient of each direction's output."""
    if mode == "concat" or len(outputs) == 1:
        return np.split(d_y, len(outputs), axis=2)
    a, b = outputs
    return {"sum": (d_y, d_y), "mul": (d_y * b, d_y * a), "average": (d_y / 2, d_y / 2)}[mode]


@dataclass
class Stack:
    """Stacked layers, each in one or both directions; `weights` is the flat list in torch's order.

    States are (num_layers*num_directions, B, P) for h and (..., B, H) for c, which only LSTM has:
    the others carry a c of width zero. `masks` holds dropout's scaled 0/1 mask, as wide as y, for
    every place between two layers. F, the width of y, is D*P, or P where the directions are merged.
    """

    cell: str
    weights: list
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    proj_size: int = 0
    merge: str = "concat"
    options: dict = field(default_factory=dict)  # of the cell, by the layers' keywords
    direction: str = "forward"

    def names(self):
        """The weights of one layer and direction, in their order."""
        lstm, norm = self.cell == "lstm", self.options.get("layer_norm", False)
        names = ["w_ih", "w_hh"] + ["b_ih", "b_hh"] * self.bias + ["w_hr"] * (self.proj_size > 0)
        names += ["peephole"] * self.options.get("peephole", False) + ["ln_ih", "ln_hh"] * norm
        return names + ["ln_c"] * (lstm and norm) + ["b_ln_c"] * (lstm and norm and self.bias)

    def directions(self):
        """The weights per layer and direction, with zeros for absent biases."""
        names = self.names()
        for k in range(0, len(self.weights), len(names)):
            flat = [np.asarray(a, np.float64) for a in self.weights[k : k + len(names)]]
            zeros = np.zeros((2, len(flat[0])))
            given = dict(zip(names, flat, strict=True))
            yield Weights(**({"b_ih": zeros[0], "b_hh": zeros[1]} | given))

    def make_cell(self):
        """The cell with its options."""
        own = {k: self.options[k] for k in ("coupled_gates", "cell_clip") if k in self.options}
        return make_cell(self.cell, **own)

    def mean_masks(self):
        """What inference does in place of drawing: zoneout's mean, and nothing is dropped."""
        keep_h, keep_c = (1 - self.options.get(k, 0.0) for k in ("zoneout", "zoneout_cell"))
        everywhere = np.ones(2**16)  # more steps than any test has
        masks = Masks(keep_h * everywhere, keep_c * everywhere, 1.0)
        return [masks] * self.num_layers * (1 + self.bidirectional)

    def initial(self, B, h0, c0):
        """The initial states, zeros where none are given."""
        w = next(self.directions())
        rows = self.num_layers * (1 + self.bidirectional)
        H = len(w.w_hh) // self.make_cell().gates if self.cell == "lstm" else 0
        h0 = np.zeros((rows, B, w.w_hh.shape[1])) if h0 is None else np.asarray(h0, np.float64)
        return h0, np.zeros((rows, B, H)) if c0 is None else np.asarray(c0, np.float64)

    def forward(self, x, h0=None, c0=None, lengths=None, masks=None, state_masks=None):
        """Returns y (T, B, F), hn, cn and the tape that backward needs."""
        T, B, _ = x.shape
        D, cell, weights = 1 + self.bidirectional, self.make_cell(), list(self.directions())
        reverse = self.direction == "reverse"
        state_masks = self.mean_masks() if state_masks is None else state_masks
        h0, c0 = self.initial(B, h0, c0)
        lengths = np.full(B, T) if lengths is None else np.asarray(lengths)
        y, hn, cn, tapes, merged = np.asarray(x, np.float64), [], [], [], []
        for layer in range(self.num_layers):
            if layer and masks is not None:
                y = y * masks[layer - 1]
            outputs, cells = [], []
            for k in range(layer * D, layer * D + D):
                start = h0[k], c0[k], lengths
                given = weights[k], state_masks[k], y, *start
                out, h, c, all_c, tape = run_direction(cell, *given, reverse or k % D)
                outputs, cells, hn, cn = [*outputs, out], [*cells, all_c], [*hn, h], [*cn, c]
                tapes.append(tape)
            y = merge(self.merge, outputs)
            merged.append(outputs)
        tape = Tape(tapes, masks, state_masks, merged, np.concatenate(cells, 2))
        return y, np.stack(hn), np.stack(cn), tape

    def backward(self, tape, d_y, d_hn=None, d_cn=None, d_cells=None):
        """Returns d_x, d_h0, d_c0 and the gradients of `weights`, in their order."""
        tapes, masks, state_masks, merged, cells = tape
        last = np.zeros_like(cells) if d_cells is None else d_cells
        D, cell, weights = 1 + self.bidirectional, self.make_cell(), list(self.directions())
        d_h0, d_c0 = (a.copy() for a in self.initial(d_y.shape[1], d_hn, d_cn))
        grads = [None] * len(weights)
        for layer in reversed(range(self.num_layers)):
            parts, d_x = merge_backward(self.merge, d_y, merged[layer]), 0
            all_d_c = last if layer + 1 == self.num_layers else np.zeros_like(last)
            for k in range(layer * D, layer * D + D):
                d_out = parts[k % D], d_h0[k], d_c0[k], np.split(all_d_c, D, axis=2)[k % D]
                given = weights[k], state_masks[k], tapes[k]
                back = run_direction_backward(cell, *given, *d_out)
                d_x, d_h0[k], d_c0[k], grads[k] = d_x + back[0], *back[1:]
            d_y = d_x if layer == 0 or masks is None else d_x * masks[layer - 1]
        return d_y, d_h0, d_c0, [getattr(g, name) for g in grads for name in self.names()]


def kink_distance(tape):
    """How far a case stays from where a slope jumps: relu's argument from 0, c from its clip."""
    steps = [step for per_direction in tape.steps for step in per_direction]
    smallest = [kink[active[:, 0]].min(initial=np.inf) for _, active, _, kink in steps]
    return min(smallest, default=np.inf)
