"""OpenVINO, in float32 (its default on some CPUs is bfloat16)."""

import io
from functools import partial

import openvino

from jobs import Job, onnx_model, stream_outputs, versions


def about():
    """The version."""
    return {"version": versions("openvino")}


def make(problem, threads):
    """Inference and streams."""
    case = problem.case
    if not onnx_model.can(case):
        return None
    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    model = core.read_model(io.BytesIO(onnx_model.serialized(problem)))
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def infer(feed):
        return request.infer(feed, share_inputs=True).to_tuple()

    if case.mode == "stream":
        step, x = onnx_model.stream_step(case, infer), problem.x[:, None]
        return Job(partial(step, x[0]), lambda: {"y": stream_outputs(step, x)["y"][:, 0]})
    call = partial(infer, {"x": problem.x})
    return Job(call, lambda: {"y": call()[0]})
