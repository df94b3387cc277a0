"""PyTorch, eager (torch.compile refuses recurrent modules)."""

import warnings
from functools import partial

import numpy as np
import torch

from jobs import Job, stream_outputs, versions

warnings.filterwarnings("ignore", message="LSTM with projections")
rnn = torch.nn.utils.rnn


def about():
    """The version."""
    return {"version": versions("torch")}


def make(problem, threads, dtype=None):
    """A job of any mode, in the case's dtype or in another one."""
    torch.set_num_threads(threads)
    case = problem.case
    dtype = dtype or getattr(torch, case.dtype)
    module = getattr(torch.nn, case.cell)(
        case.H,
        case.H,
        num_layers=case.layers,
        bidirectional=case.directions == 2,
        dtype=dtype,
        **({"proj_size": case.proj_size} if case.proj_size else {}),
    )
    module.load_state_dict({name: torch.tensor(w) for name, w in problem.weights.items()})
    if case.mode == "stream":
        return stream(module, problem)
    sequence = partial(whole_sequence, module, problem.lengths)
    return {"training": training, "inference": inference}[case.mode](module, sequence, problem)


def as_numpy(tensor):
    """An array; of bfloat16, which numpy lacks, in float32."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def like(module, array):
    """The array in the module's dtype."""
    return torch.tensor(array, dtype=next(module.parameters()).dtype)


def whole_sequence(module, lengths, x):
    """y of the padded x: packed on the way in where the rows are ragged."""
    if lengths is None:
        return module(x)[0]
    packed = rnn.pack_padded_sequence(x, torch.from_numpy(lengths), enforce_sorted=False)
    return rnn.pad_packed_sequence(module(packed)[0], total_length=len(x))[0]


def training(module, sequence, problem):
    """zero_grad, forward pass, backward with the gradient of x."""
    x, dy = like(module, problem.x).requires_grad_(), like(module, problem.dy)

    def call():
        module.zero_grad(set_to_none=True)
        x.grad = None
        y = sequence(x)
        y.backward(dy.to(y.dtype))
        return y

    def outputs():
        y = as_numpy(call())
        gradients = {f"d_{name}": as_numpy(p.grad) for name, p in module.named_parameters()}
        return {"y": y, "dx": as_numpy(x.grad)} | gradients

    return Job(call, outputs)


def inference(module, sequence, problem):
    """The whole sequence."""
    call = torch.inference_mode()(partial(sequence, like(module, problem.x)))
    module.eval()
    return Job(call, lambda: {"y": as_numpy(call())})


def stream(module, problem):
    """One step a call, the state kept as tensors."""
    module.eval()
    state = None

    @torch.inference_mode()
    def step(x_t):
        nonlocal state
        y, state = module(x_t, state)
        return y

    x = torch.tensor(problem.x[:, None])
    return Job(
        partial(step, x[0]), lambda: {"y": np.stack([y[0] for y in stream_outputs(step, x)["y"]])}
    )
