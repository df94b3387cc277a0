"""Readable float64 twins of the optimizers: (p, g, memory, step from 1, options) -> new p."""

import numpy as np


def prepared(p, g, lr, weight_decay, decoupled, maximize):
    """(p, g) after weight decay, and with the sign of g turned for `maximize`."""
    g = -g if maximize else g
    return (p * (1 - lr * weight_decay), g) if decoupled else (p, g + weight_decay * p)


def sgd(
    p, g, s, t, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0,
    decoupled_weight_decay=False, maximize=False,
):  # fmt: skip
    p, g = prepared(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + (1 - dampening) * g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def adam(
    p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
    decoupled_weight_decay=False, amsgrad=False, maximize=False,
):  # fmt: skip
    b1, b2 = betas
    p, g = prepared(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    s["largest"] = v = np.maximum(s.get("largest", 0), s["v"]) if amsgrad else s["v"]
    return p - lr * (s["m"] / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)


def adamw(p, g, s, t, lr, weight_decay=0.01, **options):
    options = {"weight_decay": weight_decay, "decoupled_weight_decay": True, **options}
    return adam(p, g, s, t, lr, **options)


def rmsprop(
    p, g, s, t, lr, alpha=0.99, eps=1e-8, momentum=0.0, centered=False, weight_decay=0.0,
    decoupled_weight_decay=False, maximize=False,
):  # fmt: skip
    p, g = prepared(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g**2
    s["a"] = alpha * s.get("a", 0) + (1 - alpha) * g
    square = np.maximum(s["v"] - s["a"] ** 2, 0) if centered else s["v"]
    s["b"] = momentum * s.get("b", 0) + g / (np.sqrt(square) + eps)
    return p - lr * s["b"]


def adagrad(
    p, g, s, t, lr, lr_decay=0.0, weight_decay=0.0, start=0.0, eps=1e-10,
    decoupled_weight_decay=False, maximize=False,
):  # fmt: skip
    p, g = prepared(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
    s["v"] = s.get("v", start) + g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["v"]) + eps)


def adagrad_from_half(p, g, s, t, lr, initial_accumulator_value):
    return adagrad(p, g, s, t, lr, start=initial_accumulator_value)


def nadam(
    p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3,
    decoupled_weight_decay=False, maximize=False,
):  # fmt: skip
    b1, b2 = betas
    p, g = prepared(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
    u, following = (b1 * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1))
    product = s["u"] = s.get("u", 1) * u
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    ahead = (1 - u) / (1 - product) * g + following / (1 - product * following) * s["m"]
    return p - lr * ahead / (np.sqrt(s["v"] / (1 - b2**t)) + eps)
