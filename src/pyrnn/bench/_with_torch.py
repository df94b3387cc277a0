"""torch, eager: torch.compile refuses recurrent layers."""

from functools import partial
from typing import Any

import numpy as np
import torch

from ._cases import Case
from ._jobs import Job, steps_of
from ._with_pyrnn import RATE

_rnn = torch.nn.utils.rnn


class Net(torch.nn.Module):
    """The case's model, packed where the rows are ragged."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.rnn = getattr(torch.nn, case.cell)(
            case.I, case.H, case.layers, bidirectional=case.directions == 2, batch_first=True
        )
        self.head = torch.nn.Linear(case.outputs, 1)
        lengths = case.lengths()
        self.lengths = None if lengths is None else torch.from_numpy(lengths)

    def forward(self, x: Any, state: Any = None) -> Any:
        if self.lengths is not None:
            x = _rnn.pack_padded_sequence(x, self.lengths, batch_first=True, enforce_sorted=False)
        y, state = self.rnn(x, state)
        if self.lengths is not None:
            y = _rnn.pad_packed_sequence(y, batch_first=True)[0]
        return self.head(y), state


def make(case: Case, threads: int) -> Job:
    """A job of any mode."""
    torch.set_num_threads(threads)
    net: Any = Net(case)
    net.load_state_dict({k: torch.tensor(v) for k, v in case.model().state_dict().items()})
    x, dy = map(torch.from_numpy, case.data())
    if case.mode == "training":
        return training(net, x, dy)
    net.eval()
    if case.mode == "stream":
        return stream(case, net, x)
    call = torch.inference_mode()(partial(net, x))
    return Job(call, lambda: {"y": call()[0].numpy()})


def training(net: Any, x: Any, dy: Any) -> Job:
    """The forward pass, BPTT, and a step of SGD."""
    optimizer = torch.optim.SGD(net.parameters(), RATE)

    def gradients() -> Any:
        optimizer.zero_grad()
        y, _ = net(x)
        y.backward(dy)
        return y

    def call() -> None:
        gradients()
        optimizer.step()

    def outputs() -> dict[str, Any]:
        y = gradients().detach().numpy()
        named = {name: p.grad.numpy() for name, p in net.named_parameters() if p.grad is not None}
        return {"y": np.where(dy.numpy(), y, 0)} | named

    return Job(call, outputs)


def stream(case: Case, net: Any, x: Any) -> Job:
    """One step a call, the state kept as tensors."""
    state = None

    @torch.inference_mode()
    def step(x: Any) -> Any:
        nonlocal state
        y, state = net(x, state)
        return y

    return Job(partial(step, x), lambda: steps_of(case, lambda x: step(torch.from_numpy(x))))
