"""The cells of the float64 numpy twin: one step forward and one back, written to be read.

B rows of the batch, I inputs, H hidden units, G gates, P = proj_size, or H without a projection.
Weights have torch's shapes and gate order. `drop` (B, P) are the factors of recurrent dropout on
the h that W_hh multiplies, or 1.
"""

from typing import NamedTuple

import numpy as np

EPS = 1e-5  # of layer normalisation


class Weights(NamedTuple):
    """One layer in one direction (or their gradients); the G*H rows stand gate by gate."""

    w_ih: np.ndarray  # (G*H, I)
    w_hh: np.ndarray  # (G*H, P)
    b_ih: np.ndarray  # (G*H,), zeros without bias
    b_hh: np.ndarray  # (G*H,), zeros without bias
    w_hr: np.ndarray | None = None  # (P, H)
    peephole: np.ndarray | None = None  # (3*H,): i, f, o; with coupled gates (2*H,): i, o
    ln_ih: np.ndarray | None = None  # (G*H,): gains of layer normalisation
    ln_hh: np.ndarray | None = None  # (G*H,)
    ln_c: np.ndarray | None = None  # (H,), LSTM
    b_ln_c: np.ndarray | None = None  # (H,), LSTM with bias


def sigmoid(a):
    """1 / (1 + exp(-a)), in the form that cannot overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * a)


def affine_backward(d_out, v, w, d_w, d_b):
    """Backward of v @ w.T + b: adds into d_w and d_b, returns d_v."""
    d_w += d_out.T @ v
    d_b += d_out.sum(axis=0)
    return d_out @ w


def normalise(a, gain):
    """gain * (a - mean)/sqrt(variance + EPS) of each row, and what its backward needs."""
    scale = 1 / np.sqrt(a.var(axis=1, keepdims=True) + EPS)
    normal = (a - a.mean(axis=1, keepdims=True)) * scale
    return normal * gain, (normal, scale, gain)


def normalise_backward(d_out, saved, d_gain):
    """Adds into d_gain, returns d_a."""
    normal, scale, gain = saved
    d_gain += (d_out * normal).sum(axis=0)
    d = d_out * gain
    along = normal * (d * normal).mean(axis=1, keepdims=True)
    return scale * (d - d.mean(axis=1, keepdims=True) - along)


def linear(v, w, b, gain):
    """v @ w.T + b, the product normalised if there is a gain."""
    product, saved = v @ w.T, None
    if gain is not None:
        product, saved = normalise(product, gain)
    return product + b, (v, saved)


def linear_backward(d_out, saved, w, grad, part):
    """Adds into the gradients of part "ih" or "hh", returns d_v."""
    v, normal = saved
    d_w, d_b = getattr(grad, f"w_{part}"), getattr(grad, f"b_{part}")
    d_b += d_out.sum(axis=0)
    if normal is not None:
        d_out = normalise_backward(d_out, normal, getattr(grad, f"ln_{part}"))
    d_w += d_out.T @ v
    return d_out @ getattr(w, f"w_{part}")


class Cell:
    """One step of a layer; a cell says how many gates it has."""

    def kink(self, saved):
        """(B, H): how far each unit was from where its slope jumps."""
        return np.full((len(saved[0][0]), 1), np.inf)


class RNN(Cell):
    """h' = tanh(a) or max(a, 0), a = W_ih x + b_ih + W_hh h + b_hh."""

    gates = 1

    def __init__(self, relu):
        self.relu = relu

    def forward(self, w, x, h, c, drop=1.0):
        h = h * drop
        a = x @ w.w_ih.T + w.b_ih + h @ w.w_hh.T + w.b_hh
        new_h = np.maximum(a, 0) if self.relu else np.tanh(a)
        return new_h, c, (x, h, a, new_h, drop)

    def kink(self, saved):
        return np.abs(saved[2]) if self.relu else np.full_like(saved[2], np.inf)

    def backward(self, w, grad, saved, d_h, d_c):
        x, h, a, new_h, drop = saved
        d_a = d_h * (a > 0) if self.relu else d_h * (1 - new_h**2)
        d_x = affine_backward(d_a, x, w.w_ih, grad.w_ih, grad.b_ih)
        return d_x, affine_backward(d_a, h, w.w_hh, grad.w_hh, grad.b_hh) * drop, d_c


class LSTM(Cell):
    """c' = f c + i g; h' = o tanh(c'), or W_hr (o tanh(c')) with a projection.

    Peepholes: p_i c inside i, p_f c inside f, p_o c' inside o. Coupled gates: f = 1 - i. cell_clip
    keeps c' in its bounds. Layer normalisation: of both products, and of c' inside the last tanh.
    """

    gates = 4

    def __init__(self, coupled_gates=False, cell_clip=None):
        self.coupled, self.clip = coupled_gates, np.inf if cell_clip is None else cell_clip
        self.gates = 4 - coupled_gates

    def peepholes(self, w, H):
        """p_i, p_f, p_o, zero where there are none."""
        if w.peephole is None:
            return np.zeros((3, H))
        parts = w.peephole.reshape(-1, H)
        return np.stack([parts[0], 0 * parts[0], parts[1]]) if self.coupled else parts

    def forward(self, w, x, h, c, drop=1.0):
        p_i, p_f, p_o = self.peepholes(w, c.shape[1])
        a_x, saved_x = linear(x, w.w_ih, w.b_ih, w.ln_ih)
        a_h, saved_h = linear(h * drop, w.w_hh, w.b_hh, w.ln_hh)
        i, *f, g, o = np.split(a_x + a_h, self.gates, axis=1)
        i, g = sigmoid(i + p_i * c), np.tanh(g)
        f = 1 - i if self.coupled else sigmoid(f[0] + p_f * c)
        free_c = f * c + i * g
        new_c = np.clip(free_c, -self.clip, self.clip)
        o = sigmoid(o + p_o * new_c)
        seen_c, saved_c = new_c, None
        if w.ln_c is not None:
            seen_c, saved_c = normalise(new_c, w.ln_c)
            seen_c = seen_c + (0 if w.b_ln_c is None else w.b_ln_c)
        tanh_c = np.tanh(seen_c)
        m = o * tanh_c
        new_h = m if w.w_hr is None else m @ w.w_hr.T
        gates = i, f, g, o
        return new_h, new_c, (saved_x, saved_h, saved_c, c, gates, free_c, new_c, tanh_c, m, drop)

    def kink(self, saved):
        free_c = saved[5]
        return np.abs(np.abs(free_c) - self.clip)

    def backward(self, w, grad, saved, d_h, d_c):
        saved_x, saved_h, saved_c, c, (i, f, g, o), free_c, new_c, tanh_c, m, drop = saved
        p_i, p_f, p_o = self.peepholes(w, c.shape[1])
        d_m = d_h
        if w.w_hr is not None:
            grad.w_hr[...] += d_h.T @ m
            d_m = d_h @ w.w_hr
        d_seen = d_m * o * (1 - tanh_c**2)
        if w.b_ln_c is not None:
            grad.b_ln_c[...] += d_seen.sum(axis=0)
        if w.ln_c is not None:
            d_seen = normalise_backward(d_seen, saved_c, grad.ln_c)
        d_o = d_m * tanh_c * o * (1 - o)
        d_c = (d_c + d_seen + d_o * p_o) * (np.abs(free_c) < self.clip)
        d_i, d_f, d_g = d_c * g, d_c * c, d_c * i * (1 - g**2)
        d_i = (d_i - d_f if self.coupled else d_i) * i * (1 - i)
        d_f = 0 * d_f if self.coupled else d_f * f * (1 - f)
        if w.peephole is not None:
            sums = (d_i * c).sum(axis=0), (d_f * c).sum(axis=0), (d_o * new_c).sum(axis=0)
            grad.peephole[...] += np.concatenate(sums[:: 2 if self.coupled else 1])
        d_a = np.concatenate([d_i] + [d_f] * (not self.coupled) + [d_g, d_o], axis=1)
        d_x = linear_backward(d_a, saved_x, w, grad, "ih")
        d_h_prev = linear_backward(d_a, saved_h, w, grad, "hh") * drop
        return d_x, d_h_prev, d_c * f + d_i * p_i + d_f * p_f


class GRU(Cell):
    """h' = (1-z) n + z h, the reset gate r after the recurrent product of n, or before it.

    reset_after:  n = tanh(W_in x + b_in + r (W_hn h + b_hn))
    otherwise:    n = tanh(W_in x + b_in + W_hn (r h) + b_hn)

    Layer normalisation, with reset_after alone: of W_ih x and of W_hh h, over all three gates.
    """

    gates = 3

    def __init__(self, reset_after):
        self.reset_after = reset_after

    def forward(self, w, x, h, c, drop=1.0):
        H, h_in = h.shape[1], h * drop
        a_x, saved_x = linear(x, w.w_ih, w.b_ih, w.ln_ih)
        a_h, saved_h = linear(h_in, w.w_hh, w.b_hh, w.ln_hh)
        (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(a_x, 3, axis=1), np.split(a_h, 3, axis=1)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        if not self.reset_after:
            h_n = (r * h_in) @ w.w_hh[2 * H :].T + w.b_hh[2 * H :]
        n = np.tanh(x_n + (r * h_n if self.reset_after else h_n))
        return (1 - z) * n + z * h, c, (saved_x, saved_h, h, r, z, n, h_n, drop)

    def backward(self, w, grad, saved, d_h, d_c):
        saved_x, saved_h, h, r, z, n, h_n, drop = saved
        H, h_in = h.shape[1], h * drop
        d_n = d_h * (1 - z) * (1 - n**2)
        d_z = d_h * (h - n) * z * (1 - z)
        d_from_n = 0.0
        d_hn, d_r = d_n * r, d_n * h_n
        if not self.reset_after:
            n_weights = w.w_hh[2 * H :], grad.w_hh[2 * H :], grad.b_hh[2 * H :]
            d_rh = affine_backward(d_n, r * h_in, *n_weights)
            d_hn, d_r, d_from_n = 0 * d_n, d_rh * h_in, d_rh * r
        d_r = d_r * r * (1 - r)
        d_a = np.concatenate([d_r, d_z, d_hn], axis=1)
        d_h_in = linear_backward(d_a, saved_h, w, grad, "hh") + d_from_n
        d_a = np.concatenate([d_r, d_z, d_n], axis=1)
        return linear_backward(d_a, saved_x, w, grad, "ih"), d_h * z + d_h_in * drop, d_c


def make_cell(name, coupled_gates=False, cell_clip=None):
    """The cell of that name; the options are the LSTM's."""
    if name == "lstm":
        return LSTM(coupled_gates, cell_clip)
    if name.startswith("gru"):
        return GRU(reset_after=name == "gru")
    return RNN(relu=name == "rnn_relu")


CELLS = {
    name: make_cell(name) for name in ("rnn_tanh", "rnn_relu", "lstm", "gru", "gru_reset_before")
}
