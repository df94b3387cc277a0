"""pyrnn."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .. import optim
from .._base.module import Module
from .._base.runtime import set_num_threads
from ._cases import Case
from ._jobs import Job, steps_of

RATE = 1e-6  # of SGD: a step that leaves the work as it is


def make(case: Case, threads: int) -> Job:
    """A job of any mode."""
    set_num_threads(threads)
    model, (x, dy) = case.model(), case.data()
    if case.mode == "training":
        return training(case, model, x, dy)
    if case.mode == "stream":
        step = model.stream(batch_size=1).step  # type: ignore[attr-defined]
        return Job(partial(step, x[:, 0]), lambda: steps_of(case, lambda x: step(x[:, 0])))
    call = partial(model, x)
    return Job(call, lambda: {"y": call()})


def training(case: Case, model: Module, x: NDArray[np.float32], dy: NDArray[np.float32]) -> Job:
    """The forward pass, BPTT, and a step of SGD."""
    lengths, optimizer = case.lengths(), optim.SGD(RATE)
    parameters = model.parameters()

    def gradients() -> NDArray[np.float32]:
        model.zero_grad()
        (y, _), pullback = model.vjp(x, lengths=lengths, need_dx=False)
        pullback(dy)
        return y  # type: ignore[no-any-return]

    def call() -> None:
        gradients()
        optimizer.step(parameters)

    def outputs() -> Mapping[str, NDArray[np.float32]]:
        y = gradients()
        return {"y": np.where(dy, y, 0)} | {name: p.grad for name, p in model.named_parameters()}

    return Job(call, outputs)
