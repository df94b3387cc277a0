"""A case as an ONNX model, for the libraries that run those."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

# Where ONNX' gates stand in torch's order: LSTM i o f c, GRU z r h.
GATE_ORDER = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}


def can(case):
    """Inference in float32, padded, without projection."""
    plain = case.dtype == "float32" and not case.ragged and not case.proj_size
    return plain and case.mode != "training"


def reorder(case, w):
    """Rows of torch's gates in ONNX' order."""
    gates = np.split(w, len(GATE_ORDER[case.cell]))
    return np.concatenate([gates[k] for k in GATE_ORDER[case.cell]])


def initializers(problem, layer):
    """W, R and B of one layer, (directions, ...)."""
    case, suffixes = problem.case, ("", "_reverse")[: problem.case.directions]

    def stacked(*kinds):
        def one(suffix):
            found = [problem.weights[f"{kind}_l{layer}{suffix}"] for kind in kinds]
            return np.concatenate([reorder(case, w) for w in found])

        return np.stack([one(suffix) for suffix in suffixes])

    named = {"W": ("weight_ih",), "R": ("weight_hh",), "B": ("bias_ih", "bias_hh")}
    return [numpy_helper.from_array(stacked(*k), f"{name}{layer}") for name, k in named.items()]


def nodes(case, layer, states):
    """The layer, and what brings its output (T, D, B, H) to the next one's input (T, B, D*H)."""
    source = f"x{layer}" if layer else "x"
    options = {"linear_before_reset": 1} if case.cell == "GRU" else {}
    direction = "bidirectional" if case.directions == 2 else "forward"
    inputs = [source, f"W{layer}", f"R{layer}", f"B{layer}", "", *states]
    outputs = [f"y{layer}", *(f"{name}_out" for name in states)]
    yield helper.make_node(
        case.cell, inputs, outputs, hidden_size=case.H, direction=direction, **options
    )
    target = f"x{layer + 1}" if layer + 1 < case.layers else "y"
    yield helper.make_node("Transpose", [f"y{layer}"], [f"t{layer}"], perm=[0, 2, 1, 3])
    yield helper.make_node("Reshape", [f"t{layer}", "joined"], [target])


def state_names(case):
    """The states that a stream carries from step to step."""
    return {"stream": ("h", "c") if case.cell == "LSTM" else ("h",)}.get(case.mode, ())


def serialized(problem):
    """The model's bytes: x (T, B, I) -> y (T, B, D*H); a stream has T = 1 and states in and out."""
    case, states = problem.case, state_names(problem.case)
    T = 1 if states else case.T

    def declare(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    constants = [numpy_helper.from_array(np.array([0, 0, -1]), "joined")]
    for layer in range(case.layers):
        constants += initializers(problem, layer)
    inputs = [declare("x", T, case.B, case.H), *(declare(s, 1, case.B, case.H) for s in states)]
    outputs = [declare("y", T, case.B, case.directions * case.H)]
    outputs += [declare(f"{s}_out", 1, case.B, case.H) for s in states]
    body = [node for layer in range(case.layers) for node in nodes(case, layer, states)]
    graph = helper.make_graph(body, "case", inputs, outputs, constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def stream_step(case, infer):
    """step(x_t) over infer({name: array}) -> [y, *states], which carries the states."""
    names = state_names(case)
    feed = {name: np.zeros((1, case.B, case.H), np.float32) for name in names}

    def step(x_t):
        feed["x"] = x_t
        y, *states = infer(feed)
        feed.update(zip(names, states, strict=True))
        return y

    return step
