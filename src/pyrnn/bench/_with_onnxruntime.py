"""ONNX Runtime, which runs the file that pyrnn exports. It does not train."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from .. import onnx
from ._cases import Case
from ._jobs import Job, steps_of


def make(case: Case, threads: int) -> Job | None:
    """Sequences and streams."""
    if case.mode == "training":
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        onnx.export(case.model(), path, state=case.mode == "stream")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    run, x = partial(session.run, None), case.data()[0]
    if case.mode == "stream":
        step = stream(session, run)
        return Job(partial(step, x), lambda: steps_of(case, step))
    return Job(partial(run, {"x": x}), lambda: {"y": run({"x": x})[0]})


def stream(session: Any, run: Any) -> Any:
    """One step a call, the states fed back."""
    inputs = [i for i in session.get_inputs() if i.name != "x"]
    feed = {i.name: np.zeros([1, 1, i.shape[-1]], np.float32) for i in inputs}
    names = list(feed)

    def step(x: Any) -> Any:
        y, *states = run(feed | {"x": x})
        feed.update(zip(names, states, strict=True))
        return y

    return step
