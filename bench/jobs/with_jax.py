"""JAX: lax.scan over the steps, x W_ih in front of it, everything in one jitted function."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jobs import Job, stream_outputs, versions


def about():
    """The versions."""
    return {"version": versions("jax", "jaxlib")}


def make(problem, threads):
    """A job of any mode: float32, padded, without projection. XLA takes its threads from the CPUs
    that the process may use.
    """
    case = problem.case
    if case.dtype != "float32" or case.ragged or case.proj_size:
        return None
    names = list(problem.weights)
    weights = [jnp.asarray(w) for w in problem.weights.values()]
    directions = [tuple(weights[k : k + 4]) for k in range(0, len(weights), 4)]
    if case.mode == "stream":
        return stream(case, directions[0], problem)
    net = partial(whole_sequence, case)
    if case.mode == "training":
        return training(net, directions, names, problem)
    call = partial(jax.jit(net), directions, jnp.asarray(problem.x))
    return Job(lambda: jax.block_until_ready(call()), lambda: {"y": np.asarray(call())})


def input_part(cell, w, x):
    """x W_ih + b_ih, with b_hh where it is only added (LSTM, RNN)."""
    w_ih, _, b_ih, b_hh = w
    return x @ w_ih.T + (b_ih if cell == "GRU" else b_ih + b_hh)


def cell_step(cell, w, state, g):
    """The state after one step, a tuple that begins with h; g is the input part."""
    _, w_hh, _, b_hh = w
    h = state[0]
    if cell == "GRU":
        x_r, x_z, x_n = jnp.split(g, 3, -1)
        h_r, h_z, h_n = jnp.split(h @ w_hh.T + b_hh, 3, -1)
        z = jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n)
        return ((1 - z) * n + z * h,)
    a = g + h @ w_hh.T
    if cell == "RNN":
        return (jnp.tanh(a),)
    i, f, n, o = jnp.split(a, 4, -1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(n)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def zero_state(case):
    """h, and c of an LSTM."""
    return (jnp.zeros((case.B, case.H), jnp.float32),) * (1 + (case.cell == "LSTM"))


def one_direction(case, w, x, reverse):
    """y of one layer in one direction."""

    def step(state, g):
        state = cell_step(case.cell, w, state, g)
        return state, state[0]

    return jax.lax.scan(step, zero_state(case), input_part(case.cell, w, x), reverse=reverse)[1]


def whole_sequence(case, directions, x):
    """y of all layers."""
    for layer in range(case.layers):
        first = layer * case.directions
        both = [
            one_direction(case, directions[first + d], x, reverse=d == 1)
            for d in range(case.directions)
        ]
        x = jnp.concatenate(both, -1)
    return x


def training(net, directions, names, problem):
    """Forward pass, then the gradients of the weights and of x."""

    @jax.jit
    def step(directions, x, dy):
        y, pullback = jax.vjp(net, directions, x)
        return y, *pullback(dy)

    arguments = directions, jnp.asarray(problem.x), jnp.asarray(problem.dy)

    def outputs():
        y, d_directions, dx = step(*arguments)
        gradients = [np.asarray(a) for direction in d_directions for a in direction]
        named = {f"d_{name}": a for name, a in zip(names, gradients, strict=True)}
        return {"y": np.asarray(y), "dx": np.asarray(dx)} | named

    return Job(lambda: jax.block_until_ready(step(*arguments)), outputs)


def stream(case, w, problem):
    """One jitted step a call, the state kept on the device."""
    compiled = jax.jit(lambda w, s, x: cell_step(case.cell, w, s, input_part(case.cell, w, x)))
    state = zero_state(case)

    def step(x_t):
        nonlocal state
        state = jax.block_until_ready(compiled(w, state, x_t))
        return state[0]

    x = jnp.asarray(problem.x)
    return Job(partial(step, x[0]), lambda: stream_outputs(step, x))
