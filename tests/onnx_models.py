"""Small models of ONNX for its tests, and ONNX Runtime's answers."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSETS = {"": 14}


def values(names, kind=TensorProto.FLOAT):
    """Inputs or outputs of a graph, of any shape."""
    return [helper.make_tensor_value_info(name, kind, None) for name in names]


def constants(arrays):
    """Initializers by name."""
    return [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in arrays.items()]


def model(nodes, inputs, outputs, arrays=(), opset=14, functions=(), ir_version=8):
    """A model of a list of nodes, `arrays` its initializers."""
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants(dict(arrays)))
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, 1) for domain in {f.domain for f in functions}]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=ir_version, functions=list(functions)
    )


def recurrent_node(kind, weights, *, name="node", lengths=False, states=(), **attributes):
    """One RNN, LSTM or GRU whose optional inputs are there only if they are named."""
    names = ["x", "W", "R", "B", "lengths", "h0", "c0", "P"]
    there = {"x", *weights, *states, *(["lengths"] if lengths else ())}
    inputs = [n if n in there else "" for n in names]
    while inputs[-1] == "":
        inputs.pop()
    outputs = ["y", "hn", "cn"] if kind == "LSTM" else ["y", "hn"]
    size = weights["R"].shape[2]
    return helper.make_node(kind, inputs, outputs, name, hidden_size=size, **attributes)


def answers(made, inputs):
    """ONNX Runtime's outputs of a model, or of a file, by name."""
    data = made if isinstance(made, str | bytes) else made.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def save(made, folder):
    """The path of a model's file."""
    path = str(folder / "model.onnx")
    onnx.save(made, path)
    return path


def checked(path):
    """A file's path, after all of the package's own checks."""
    onnx.checker.check_model(path, full_check=True)
    onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
    return str(path)
