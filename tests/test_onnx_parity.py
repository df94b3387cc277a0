"""Promise: peepholes, coupled gates and directions are those of ONNX' LSTM (P, input_forget,
direction), on sequences of one length and of several (sequence_lens).

Float32 within 3e-5 of the largest entry, as for torch; where onnx and onnxruntime are installed.
"""

import numpy as np
import pytest

from cases import Case

WHY = "not installed: `make test-peers` does it"
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
onnxruntime = pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

H = 19


def gates_in_onnx_order(w, coupled):
    """Rows i, o, f, c of ours: i, f, g, o, or i, g, o without an f (zeros, which nothing reads)."""
    i, *f, g, o = np.split(w, 3 if coupled else 4)
    return np.concatenate([i, o, np.zeros_like(i) if coupled else f[0], g])


def model(layer):
    """One ONNX LSTM node with the weights of one layer."""
    weights = {name: p.data for name, p in layer.named_parameters()}
    suffixes = ("l0", "l0_reverse")[: layer.num_directions]

    def stacked(*names):
        per_direction = [
            np.concatenate(
                [gates_in_onnx_order(weights[f"{n}_{s}"], layer.coupled_gates) for n in names]
            )
            for s in suffixes
        ]
        return np.stack(per_direction)

    def peepholes(suffix):
        if not layer.peephole:
            return np.zeros(3 * H, np.float32)
        parts = np.split(weights[f"weight_peephole_{suffix}"], 2 if layer.coupled_gates else 3)
        i, o, f = parts[0], parts[-1], parts[1]  # of coupled gates f is o again: nothing reads it
        return np.concatenate([i, o, f])

    arrays = {
        "W": stacked("weight_ih"),
        "R": stacked("weight_hh"),
        "B": stacked("bias_ih", "bias_hh"),
        "P": np.stack([peepholes(s) for s in suffixes]),
    }
    node = onnx.helper.make_node(
        "LSTM",
        ["x", "W", "R", "B", "lengths", "h0", "c0", "P"],
        ["y", "hn", "cn"],
        hidden_size=H,
        input_forget=int(layer.coupled_gates),
        direction="bidirectional" if layer.bidirectional else layer.direction,
    )

    def tensors(names, kind=onnx.TensorProto.FLOAT):
        return [onnx.helper.make_tensor_value_info(name, kind, None) for name in names]

    constants = [onnx.numpy_helper.from_array(a, name) for name, a in arrays.items()]
    graph = onnx.helper.make_graph(
        [node],
        "lstm",
        tensors(("x", "h0", "c0")) + tensors(("lengths",), onnx.TensorProto.INT32),
        tensors(("y", "hn", "cn")),
        constants,
    )
    opset = [onnx.helper.make_opsetid("", 14)]
    made = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    return onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("lengths", ["full", "ragged"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "both"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"peephole": True},
        {"coupled_gates": True},
        {"peephole": True, "coupled_gates": True},
    ],
    ids=str,
)
def test_equals_onnxruntime(options, direction, lengths):
    case = Case(
        "lstm",
        hidden_size=H,
        T=9,
        B=4,
        bidirectional=direction == "both",
        direction="reverse" if direction == "reverse" else "forward",
        lengths=lengths,
        dtype="float32",
        options=tuple(options.items()),
    )
    problem = case.any_problem()
    ends = problem.lengths.astype(np.int32)
    inputs = {"x": problem.x, "h0": problem.h0, "c0": problem.c0, "lengths": ends}
    y, hn, cn = model(problem.layer).run(None, inputs)
    expected = {"y": np.concatenate(list(y.swapaxes(0, 1)), axis=-1), "hn": hn, "cn": cn}
    actual = problem.inference()
    for name, e in expected.items():
        assert np.abs(actual[name] - e).max() <= 3e-5 * np.abs(e).max(), name
