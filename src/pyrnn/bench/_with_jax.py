"""JAX: lax.scan over the steps behind x W_ih, everything in one jitted function."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._cases import Case
from ._jobs import Job, steps_of
from ._with_pyrnn import RATE


def make(case: Case, threads: int) -> Job | None:
    """Full-length rows. XLA takes its threads from the CPUs that the process may use."""
    del threads
    if case.ragged:
        return None
    weights = {name: jnp.asarray(w) for name, w in case.model().state_dict().items()}
    x, dy = map(jnp.asarray, case.data())
    if case.mode == "training":
        return training(case, weights, x, dy)
    if case.mode == "stream":
        return stream(case, weights, x)
    call = partial(jax.jit(lambda w, x: forward(case, w, x)[0]), weights, x)
    return Job(lambda: jax.block_until_ready(call()), lambda: {"y": np.asarray(call())})


def cell_step(cell: str, w_hh: Any, b_hh: Any, state: Any, gates_x: Any) -> Any:
    """The state after one step: (h,) or (h, c)."""
    h, gates_h = state[0], state[0] @ w_hh.T + b_hh
    if cell == "GRU":
        (x_r, x_z, x_n), (h_r, h_z, h_n) = (jnp.split(g, 3, -1) for g in (gates_x, gates_h))
        z = jax.nn.sigmoid(x_z + h_z)
        return ((1 - z) * jnp.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n) + z * h,)
    i, f, g, o = jnp.split(gates_x + gates_h, 4, -1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def direction(case: Case, w: Any, suffix: str, x: Any, state: Any) -> Any:
    """y (T, B, H) of one layer in one direction, and the last state."""
    w_ih, w_hh, b_ih, b_hh = (
        w[f"rnn.{name}_{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )

    def step(state: Any, gates: Any) -> Any:
        state = cell_step(case.cell, w_hh, b_hh, state, gates)
        return state, state[0]

    last, y = jax.lax.scan(step, state, x @ w_ih.T + b_ih, reverse=suffix.endswith("_reverse"))
    return y, last


def forward(case: Case, w: Any, x: Any, state: Any = None) -> Any:
    """y (B, T, 1), and the last layer's state."""
    zero = (jnp.zeros((case.B, case.H), jnp.float32),) * (1 + (case.cell == "LSTM"))
    x = x.swapaxes(0, 1)
    for layer in range(case.layers):
        suffixes = [f"l{layer}{end}" for end in ("", "_reverse")[: case.directions]]
        ways = [direction(case, w, suffix, x, state or zero) for suffix in suffixes]
        x, last = jnp.concatenate([y for y, _ in ways], -1), ways[0][1]
    return (x @ w["head.weight"].T + w["head.bias"]).swapaxes(0, 1), last


def training(case: Case, weights: Any, x: Any, dy: Any) -> Job:
    """The forward pass, BPTT, and a step of SGD."""

    def gradients(w: Any) -> Any:
        y, pullback = jax.vjp(lambda w: forward(case, w, x)[0], w)
        return y, pullback(dy)[0]

    @jax.jit
    def train(w: Any) -> Any:
        return jax.tree.map(lambda w, d: w - RATE * d, w, gradients(w)[1])

    def call() -> None:
        nonlocal weights
        weights = jax.block_until_ready(train(weights))

    def outputs() -> dict[str, Any]:
        y, named = jax.jit(gradients)(weights)
        return {"y": np.asarray(y)} | {name: np.asarray(d) for name, d in named.items()}

    return Job(call, outputs)


def stream(case: Case, weights: Any, x: Any) -> Job:
    """One jitted step a call, the state kept on the device."""
    compiled = jax.jit(partial(forward, case))
    state = None

    def step(x: Any) -> Any:
        nonlocal state
        y, state = jax.block_until_ready(compiled(weights, x, state))
        return y

    return Job(partial(step, x), lambda: steps_of(case, step))
