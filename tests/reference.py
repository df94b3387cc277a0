"""Float64 numpy twin of every cell, forward and backward through time, written to be read.

The C++ core is held to this file. Shapes: T time steps, B rows of the batch, I inputs, H hidden
units, G gates, P = proj_size, or H without a projection. A sequence is (T, B, I); weights have
torch's shapes and gate order.

A row of length n takes part in the steps t < n. In the others its output is zero and its state
stands still, so that the reverse direction, which walks t from T-1 to 0, enters each row at its
own last step with its initial state.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """One layer in one direction (or their gradients); the G*H rows stand gate by gate."""

    w_ih: np.ndarray  # (G*H, I)
    w_hh: np.ndarray  # (G*H, P)
    b_ih: np.ndarray  # (G*H,), zeros without bias
    b_hh: np.ndarray  # (G*H,), zeros without bias
    w_hr: np.ndarray | None = None  # (P, H)


def sigmoid(a):
    """1 / (1 + exp(-a)), in the form that cannot overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * a)


def affine_backward(d_out, v, w, d_w, d_b):
    """Backward of v @ w.T + b: adds into d_w and d_b, returns d_v."""
    d_w += d_out.T @ v
    d_b += d_out.sum(axis=0)
    return d_out @ w


class RNN:
    """h' = tanh(a) or max(a, 0), a = W_ih x + b_ih + W_hh h + b_hh."""

    gates = 1

    def __init__(self, relu):
        self.relu = relu

    def forward(self, w, x, h, c):
        a = x @ w.w_ih.T + w.b_ih + h @ w.w_hh.T + w.b_hh
        new_h = np.maximum(a, 0) if self.relu else np.tanh(a)
        return new_h, c, (x, h, a, new_h)

    def backward(self, w, grad, saved, d_h, d_c):
        x, h, a, new_h = saved
        d_a = d_h * (a > 0) if self.relu else d_h * (1 - new_h**2)
        d_x = affine_backward(d_a, x, w.w_ih, grad.w_ih, grad.b_ih)
        return d_x, affine_backward(d_a, h, w.w_hh, grad.w_hh, grad.b_hh), d_c


class LSTM:
    """c' = f c + i g; h' = o tanh(c'), or W_hr (o tanh(c')) with a projection."""

    gates = 4

    def forward(self, w, x, h, c):
        a = x @ w.w_ih.T + w.b_ih + h @ w.w_hh.T + w.b_hh
        i, f, g, o = np.split(a, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new_c = f * c + i * g
        m = o * np.tanh(new_c)
        new_h = m if w.w_hr is None else m @ w.w_hr.T
        return new_h, new_c, (x, h, c, i, f, g, o, new_c, m)

    def backward(self, w, grad, saved, d_h, d_c):
        x, h, c, i, f, g, o, new_c, m = saved
        d_m = d_h
        if w.w_hr is not None:
            grad.w_hr[...] += d_h.T @ m
            d_m = d_h @ w.w_hr
        tanh_c = np.tanh(new_c)
        d_c = d_c + d_m * o * (1 - tanh_c**2)
        d_i, d_f, d_g, d_o = d_c * g, d_c * c, d_c * i, d_m * tanh_c
        d_a = [d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g**2), d_o * o * (1 - o)]
        d_a = np.concatenate(d_a, axis=1)
        d_x = affine_backward(d_a, x, w.w_ih, grad.w_ih, grad.b_ih)
        return d_x, affine_backward(d_a, h, w.w_hh, grad.w_hh, grad.b_hh), d_c * f


class GRU:
    """h' = (1-z) n + z h, the reset gate r behind the recurrent product of n, or before it.

    reset_after:  n = tanh(W_in x + b_in + r (W_hn h + b_hn))
    otherwise:    n = tanh(W_in x + b_in + W_hn (r h) + b_hn)
    """

    gates = 3

    def __init__(self, reset_after):
        self.reset_after = reset_after

    def forward(self, w, x, h, c):
        H = h.shape[1]
        x_r, x_z, x_n = np.split(x @ w.w_ih.T + w.b_ih, 3, axis=1)
        h_r, h_z = np.split(h @ w.w_hh[: 2 * H].T + w.b_hh[: 2 * H], 2, axis=1)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        h_n = (h if self.reset_after else r * h) @ w.w_hh[2 * H :].T + w.b_hh[2 * H :]
        n = np.tanh(x_n + (r * h_n if self.reset_after else h_n))
        return (1 - z) * n + z * h, c, (x, h, r, z, n, h_n)

    def backward(self, w, grad, saved, d_h, d_c):
        x, h, r, z, n, h_n = saved
        H = h.shape[1]
        d_n = d_h * (1 - z) * (1 - n**2)
        d_z = d_h * (h - n) * z * (1 - z)
        d_hn = d_n * r if self.reset_after else d_n
        n_in = h if self.reset_after else r * h
        n_weights = w.w_hh[2 * H :], grad.w_hh[2 * H :], grad.b_hh[2 * H :]
        d_n_in = affine_backward(d_hn, n_in, *n_weights)
        d_r = (d_n * h_n if self.reset_after else d_n_in * h) * r * (1 - r)
        d_rz = np.concatenate([d_r, d_z], axis=1)
        rz_weights = w.w_hh[: 2 * H], grad.w_hh[: 2 * H], grad.b_hh[: 2 * H]
        d_h_prev = d_h * z + affine_backward(d_rz, h, *rz_weights)
        d_h_prev += d_n_in if self.reset_after else d_n_in * r
        d_a = np.concatenate([d_rz, d_n], axis=1)
        return affine_backward(d_a, x, w.w_ih, grad.w_ih, grad.b_ih), d_h_prev, d_c


CELLS = {
    "rnn_tanh": RNN(relu=False),
    "rnn_relu": RNN(relu=True),
    "lstm": LSTM(),
    "gru": GRU(reset_after=True),
    "gru_reset_before": GRU(reset_after=False),
}


def run_direction(cell, w, x, h, c, lengths, reverse):
    """One layer in one direction: returns y (T, B, P), the final h and c, and the tape."""
    T = len(x)
    y, tape = np.zeros((T, *h.shape)), []
    for t in range(T - 1, -1, -1) if reverse else range(T):
        active = (t < lengths)[:, None]
        new_h, new_c, saved = cell.forward(w, np.where(active, x[t], 0), h, c)
        tape.append((t, active, saved))
        h, c = np.where(active, new_h, h), np.where(active, new_c, c)
        y[t] = np.where(active, new_h, 0)
    return y, h, c, tape


def run_direction_backward(cell, w, tape, d_y, d_h, d_c):
    """Walks the tape back: the gradients of x, of the initial h and c, and of the weights."""
    grad = Weights(*(None if a is None else np.zeros_like(a) for a in w))
    d_x = np.zeros((*d_y.shape[:2], w.w_ih.shape[1]))
    for t, active, saved in reversed(tape):
        d_out = np.where(active, d_y[t] + d_h, 0)
        d_x[t], d_h_prev, d_c_prev = cell.backward(w, grad, saved, d_out, np.where(active, d_c, 0))
        d_h, d_c = np.where(active, d_h_prev, d_h), np.where(active, d_c_prev, d_c)
    return d_x, d_h, d_c, grad


@dataclass
class Stack:
    """Stacked layers, each in one or both directions; `weights` is the flat list in torch's order.

    States are (num_layers*num_directions, B, P) for h and (..., B, H) for c, which only LSTM has:
    the others carry a c of width zero. `masks` holds dropout's scaled 0/1 mask, (T, B, D*P), for
    every place between two layers.
    """

    cell: str
    weights: list
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    proj_size: int = 0

    def directions(self):
        """The weights per layer and direction, with zeros for absent biases."""
        per = 2 + 2 * self.bias + (self.proj_size > 0)
        for k in range(0, len(self.weights), per):
            flat = [np.asarray(a, np.float64) for a in self.weights[k : k + per]]
            w_hr = flat.pop() if self.proj_size else None
            biases = flat[2:] if self.bias else [np.zeros(len(flat[0]))] * 2
            yield Weights(*flat[:2], *biases, w_hr)

    def initial(self, B, h0, c0):
        """The initial states, zeros where none are given."""
        w = next(self.directions())
        rows = self.num_layers * (1 + self.bidirectional)
        H = len(w.w_hh) // CELLS[self.cell].gates if self.cell == "lstm" else 0
        h0 = np.zeros((rows, B, w.w_hh.shape[1])) if h0 is None else np.asarray(h0, np.float64)
        return h0, np.zeros((rows, B, H)) if c0 is None else np.asarray(c0, np.float64)

    def forward(self, x, h0=None, c0=None, lengths=None, masks=None):
        """Returns y (T, B, D*P), hn, cn and the tape that backward needs."""
        T, B, _ = x.shape
        D, cell, weights = 1 + self.bidirectional, CELLS[self.cell], list(self.directions())
        h0, c0 = self.initial(B, h0, c0)
        lengths = np.full(B, T) if lengths is None else np.asarray(lengths)
        y, hn, cn, tapes = np.asarray(x, np.float64), [], [], []
        for layer in range(self.num_layers):
            if layer and masks is not None:
                y = y * masks[layer - 1]
            outputs = []
            for k in range(layer * D, layer * D + D):
                out, h, c, tape = run_direction(cell, weights[k], y, h0[k], c0[k], lengths, k % D)
                outputs, hn, cn = [*outputs, out], [*hn, h], [*cn, c]
                tapes.append(tape)
            y = np.concatenate(outputs, axis=2)
        return y, np.stack(hn), np.stack(cn), (tapes, masks)

    def backward(self, tape, d_y, d_hn=None, d_cn=None):
        """Returns d_x, d_h0, d_c0 and the gradients of `weights`, in their order."""
        tapes, masks = tape
        D, cell, weights = 1 + self.bidirectional, CELLS[self.cell], list(self.directions())
        d_h0, d_c0 = (a.copy() for a in self.initial(d_y.shape[1], d_hn, d_cn))
        grads = [None] * len(weights)
        for layer in reversed(range(self.num_layers)):
            parts, d_x = np.split(d_y, D, axis=2), 0
            for k in range(layer * D, layer * D + D):
                d_out = parts[k % D], d_h0[k], d_c0[k]
                back = run_direction_backward(cell, weights[k], tapes[k], *d_out)
                d_x, d_h0[k], d_c0[k], grads[k] = d_x + back[0], *back[1:]
            d_y = d_x if layer == 0 or masks is None else d_x * masks[layer - 1]
        kept = [(g.w_ih, g.w_hh) + (g.b_ih, g.b_hh) * self.bias for g in grads]
        tails = [() if g.w_hr is None else (g.w_hr,) for g in grads]
        return d_y, d_h0, d_c0, [a for k, t in zip(kept, tails, strict=True) for a in k + t]


def kink_distance(tape):
    """The smallest |a| of all relu arguments of active rows: how far a case stays from the kink."""
    steps = [step for per_direction in tape[0] for step in per_direction]
    smallest = [np.abs(s[2])[active[:, 0]].min(initial=np.inf) for _, active, s in steps]
    return min(smallest, default=np.inf)
