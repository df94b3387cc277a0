"""pyrnn."""

from functools import partial
from itertools import count

import pyrnn
from jobs import Job, stream_outputs


def about():
    """Version, instruction set in use, compiler, and which of several installed ones it is."""
    build = pyrnn._core.build_info()
    compiler = f"{build['compiler']}, {build['build_type']}"
    found = {"version": build["version"], "isa": pyrnn.active_isa(), "compiler": compiler}
    return found | {"file": pyrnn.__file__}


def make(problem, threads):
    """A job of any mode."""
    pyrnn.set_num_threads(threads)
    case = problem.case
    layer = getattr(pyrnn, case.cell)(
        case.H,
        case.H,
        num_layers=case.layers,
        bidirectional=case.directions == 2,
        dtype=case.dtype,
        batch_first=False,  # as its peers
        **({"proj_size": case.proj_size} if case.proj_size else {}),
    )
    layer.load_state_dict(problem.weights)
    return {"training": training, "inference": inference, "stream": stream}[case.mode](
        layer, problem
    )


def training(layer, problem):
    """zero_grad, forward pass, pullback with dx."""
    x, dy, lengths = problem.x, problem.dy, problem.lengths
    parameters, versions = layer.parameters(), count(-1, -1)

    def call():
        # Each step finds new weights, as behind an optimizer, so that packing them is timed.
        for parameter in parameters:
            parameter._version = next(versions)
        layer.zero_grad()
        (y, _), pullback = layer.vjp(x, lengths=lengths)
        dx, _ = pullback(dy)
        return y, dx

    def outputs():
        y, dx = call()
        gradients = {f"d_{name}": p.grad for name, p in layer.named_parameters()}
        return {"y": y, "dx": dx} | gradients

    return Job(call, outputs)


def inference(layer, problem):
    """The whole sequence; weights are packed once, at the first call."""
    call = partial(layer, problem.x, lengths=problem.lengths)
    return Job(call, lambda: {"y": call()[0]})


def stream(layer, problem):
    """One step a call."""
    step = layer.stream(batch_size=problem.case.B).step
    return Job(partial(step, problem.x[0]), lambda: stream_outputs(step, problem.x))
