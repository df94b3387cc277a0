"""Readable float64 twins of the optimizers: (p, g, memory, step from 1, options) -> new p."""

import numpy as np


def sgd(p, g, s, t, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
    g = g + weight_decay * p
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + (1 - dampening) * g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def adam(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
    b1, b2 = betas
    p, g = (p * (1 - lr * weight_decay), g) if decoupled else (p, g + weight_decay * p)
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    return p - lr * (s["m"] / (1 - b1**t)) / (np.sqrt(s["v"] / (1 - b2**t)) + eps)


def adamw(p, g, s, t, lr, weight_decay=0.01, **options):
    return adam(p, g, s, t, lr, weight_decay=weight_decay, decoupled=True, **options)


def rmsprop(p, g, s, t, lr, alpha=0.99, eps=1e-8, momentum=0.0, weight_decay=0.0):
    g = g + weight_decay * p
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g**2
    s["b"] = momentum * s.get("b", 0) + g / (np.sqrt(s["v"]) + eps)
    return p - lr * s["b"]


def adagrad(p, g, s, t, lr, lr_decay=0.0, weight_decay=0.0, start=0.0, eps=1e-10):
    g = g + weight_decay * p
    s["v"] = s.get("v", start) + g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["v"]) + eps)


def adagrad_from_half(p, g, s, t, lr, initial_accumulator_value):
    return adagrad(p, g, s, t, lr, start=initial_accumulator_value)


def nadam(
    p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3,
    decoupled_weight_decay=False,
):  # fmt: skip
    b1, b2 = betas
    decay = weight_decay
    p, g = (p * (1 - lr * decay), g) if decoupled_weight_decay else (p, g + decay * p)
    u, following = (b1 * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1))
    product = s["u"] = s.get("u", 1) * u
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    ahead = (1 - u) / (1 - product) * g + following / (1 - product * following) * s["m"]
    return p - lr * ahead / (np.sqrt(s["v"] / (1 - b2**t)) + eps)
