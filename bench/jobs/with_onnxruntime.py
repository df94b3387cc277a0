"""ONNX Runtime."""

from functools import partial

import onnxruntime

from jobs import Job, onnx_model, stream_outputs, versions


def about():
    """The versions."""
    return {"version": versions("onnxruntime", "onnx")}


def make(problem, threads):
    """Inference and streams."""
    case = problem.case
    if not onnx_model.can(case):
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    model = onnx_model.serialized(problem)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    run = partial(session.run, None)
    if case.mode == "stream":
        step, x = onnx_model.stream_step(case, run), problem.x[:, None]
        return Job(partial(step, x[0]), lambda: {"y": stream_outputs(step, x)["y"][:, 0]})
    call = partial(run, {"x": problem.x})
    return Job(call, lambda: {"y": call()[0]})
