"""The cells of the float64 numpy twin: one step forward and one back, written to be read.

B rows of the batch, I inputs, H hidden units, G gates, P = proj_size, or H without a projection.
Weights have torch's shapes and gate order.
"""

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
