"""Random graphs of ONNX: recurrent nodes with any attributes, and what may stand between them."""

import numpy as np
from onnx import TensorProto, helper

from onnx_models import model

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
OPSETS = (7, 9, 10, 11, 12, 13, 14, 17, 18, 20, 21, 22, 24, 26)
ACTIVATIONS = ("Tanh", "Relu", "Sigmoid")
FLOATS = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}


class Draw:
    """One graph. What is there along the way is (T, N, F), or (N, T, F) of a node with layout=1.

    ONNX Runtime has no layout=1: `plain` writes such nodes with layout=0 and transposes, from the
    same numbers.
    """

    def __init__(self, seed, dtype=np.float32, *, plain=False, recurrent=True):
        self.is_recurrent = recurrent
        self.rng = np.random.default_rng([seed, 88])
        self.dtype, self.plain = dtype, plain
        self.opset = int(self.rng.choice(OPSETS))
        self.nodes, self.arrays, self.inputs = [], {}, {}
        self.T, self.N, self.F = (int(n) for n in self.rng.integers(1, 7, 3))
        self.outputs = []

    def numbers(self, *shape):
        return self.rng.uniform(-0.8, 0.8, shape).astype(self.dtype)

    def constant(self, array):
        name = f"c{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def integers(self, *values):
        return self.constant(np.array(values, np.int64))

    def given(self, array):
        name = f"x{len(self.inputs)}"
        self.inputs[name] = array
        return name

    def node(self, operator, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [*inputs], names, name, **attributes))
        return names if outputs > 1 else names[0]

    def with_axes(self, operator, x, axes, since, **attributes):
        """Axes are an attribute before some version."""
        if self.opset < since:
            return self.node(operator, x, axes=axes, **attributes)
        return self.node(operator, x, self.integers(*axes), **attributes)

    def maybe(self, share=0.5):
        return bool(self.rng.random() < share)

    def given_or_constant(self, array):
        return self.given(array) if self.maybe() else self.constant(array)

    def recurrent(self, x):
        """A node, all directions as features: (T, N, D*H)."""
        kind = str(self.rng.choice([*GATES]))
        direction = str(self.rng.choice(["forward", "reverse", "bidirectional"]))
        D, H = 1 + (direction == "bidirectional"), int(self.rng.integers(1, 6))
        rows = GATES[kind] * H
        batch_first = self.opset >= 14 and self.maybe(0.4)
        inputs = ["", self.constant(self.numbers(D, rows, self.F))]
        inputs += [self.constant(self.numbers(D, rows, H))]
        inputs += [self.constant(self.numbers(D, 2 * rows)) if self.maybe(0.8) else ""]
        lengths = self.rng.integers(1, self.T + 1, self.N).astype(np.int32)
        inputs += [self.given_or_constant(lengths) if self.maybe() else ""]
        shape = (self.N, D, H) if batch_first else (D, self.N, H)
        for _ in range(1 + (kind == "LSTM")):
            inputs += [self.given_or_constant(self.numbers(*shape)) if self.maybe() else ""]
        attributes = {"hidden_size": H, "direction": direction}
        if kind == "LSTM":
            inputs += [self.constant(self.numbers(D, 3 * H)) if self.maybe() else ""]
            attributes |= {"input_forget": int(self.rng.integers(2))} if self.maybe() else {}
        elif kind == "GRU":
            attributes |= {"linear_before_reset": int(self.rng.integers(2))} if self.maybe() else {}
        else:
            name = str(self.rng.choice(ACTIVATIONS))
            attributes |= {"activations": [name] * D} if self.maybe() else {}
        return self.run(kind, x, inputs, batch_first, attributes)

    def run(self, kind, x, inputs, batch_first, attributes):
        """The node itself, in its layout."""
        outputs = 3 if kind == "LSTM" else 2
        swapped = batch_first and self.plain
        x = self.node("Transpose", x, perm=[1, 0, 2]) if batch_first and not swapped else x
        for i in (5, 6) if swapped else ():
            if inputs[i : i + 1] and inputs[i]:
                inputs[i] = self.node("Transpose", inputs[i], perm=[1, 0, 2])
        layout = {"layout": 1} if batch_first and not swapped else {}
        y, *states = self.node(kind, x, *inputs[1:], outputs=outputs, **attributes, **layout)
        if swapped:
            states = [self.node("Transpose", state, perm=[1, 0, 2]) for state in states]
        self.outputs += states[: self.rng.integers(outputs)]
        D = 2 if attributes["direction"] == "bidirectional" else 1
        self.F = D * attributes["hidden_size"]
        if batch_first and not swapped:  # (N, T, D, H)
            y = self.node("Transpose", y, perm=[1, 2, 0, 3])
        if D == 1 and self.maybe():
            return self.with_axes("Squeeze", y, [1], 13)
        y = self.node("Transpose", y, perm=[0, 2, 1, 3])
        return self.node("Reshape", y, self.integers(0, 0, -1))

    def dense(self, x):
        width = int(self.rng.integers(1, 6))
        w = self.numbers(self.F, width)
        self.F = width
        if self.maybe():
            y = self.node("MatMul", x, self.constant(w))
            return self.node("Add", y, self.constant(self.numbers(width)))
        rows = self.node("Reshape", x, self.integers(-1, len(w)))
        c = self.constant(self.numbers(width))
        y = self.node("Gemm", rows, self.constant(w.T), c, transB=1, alpha=0.5, beta=2.0)
        return self.node("Reshape", y, self.integers(self.T, -1, width))

    def function(self, x):
        return self.node(str(self.rng.choice(["Tanh", "Sigmoid", "Relu", "Neg", "Exp"])), x)

    def softmax(self, x):
        last = {"axis": 2} if self.opset < 13 or self.maybe() else {}
        return self.node(str(self.rng.choice(["Softmax", "LogSoftmax"])), x, **last)

    def old_softmax(self, x):
        """Over all axes from one on, before version 13."""
        return self.node("Softmax", x, axis=1)

    def norm(self, x):
        if self.opset < 17:
            return self.softmax(x)
        scale, bias = (self.constant(self.numbers(self.F)) for _ in range(2))
        return self.node("LayerNormalization", x, scale, bias, epsilon=1e-2)

    def arithmetic(self, x):
        operator = str(self.rng.choice(["Add", "Sub", "Mul", "Div"]))
        shape = [(1,), (self.F,), (self.T, 1, 1), ()][self.rng.integers(4)]
        return self.node(
            operator, x, self.constant(np.asarray(self.numbers(*shape) + 2, self.dtype))
        )

    def pieces(self, x):
        """Cut into two and put together the other way round."""
        first = int(self.rng.integers(0, self.F + 1))
        sizes = [first, self.F - first]
        if self.opset < 13:
            a, b = self.node("Split", x, outputs=2, axis=2, split=sizes)
        else:
            a, b = self.node("Split", x, self.integers(*sizes), outputs=2, axis=-1)
        return self.node("Concat", b, a, x, axis=2), 2 * self.F

    def sliced(self, x):
        bounds = {"starts": [0, -1], "ends": [2**31, -(2**31)], "axes": [0, 2]}
        if self.opset < 10:
            return self.node("Slice", x, starts=[0], ends=[2**31], axes=[1])
        named = [self.integers(*value) for value in bounds.values()]
        return self.node("Slice", x, *named, self.integers(1, -1))

    def backwards(self, x):
        if self.opset < 10:
            return x
        lengths = self.rng.integers(1, self.T + 1, self.N)
        return self.node("ReverseSequence", x, self.given_or_constant(lengths), time_axis=0)

    def from_shape(self, x):
        """Zeros of a shape that is computed of that of x."""
        if self.opset < 9:
            return x
        shape = self.node("Shape", x)
        batch = self.node("Gather", shape, self.integers(1), axis=0)
        sizes = self.node("Concat", self.integers(1), batch, self.integers(self.F), axis=0)
        value = helper.make_tensor("value", FLOATS[self.dtype], [1], [0.25])
        return self.node("Add", x, self.node("ConstantOfShape", sizes, value=value))

    def end(self, x):
        """What takes the steps away, or not."""
        operator = [None, "Gather", "ReduceMean", "ReduceMax", "ReduceSum"][self.rng.integers(5)]
        if operator is None:
            return x
        if operator == "Gather":
            index = -1 if self.opset >= 11 else self.T - 1
            return self.node("Gather", x, self.constant(np.array(index)), axis=0)
        keep = int(self.rng.integers(2))
        since = 13 if operator == "ReduceSum" else 18
        return self.with_axes(operator, x, [0], since, keepdims=keep)

    BETWEEN = (dense, function, softmax, norm, arithmetic, sliced, backwards, from_shape)

    def model(self, layers=3):
        """(a model, its inputs by name)"""
        x = self.given(self.numbers(self.T, self.N, self.F))
        for _ in range(self.rng.integers(1, layers + 1)):
            if self.is_recurrent:
                x = self.recurrent(x)
            for _ in range(self.rng.integers(0, 3)):
                x = self.BETWEEN[self.rng.integers(len(self.BETWEEN))](self, x)
            if self.maybe(0.2):
                x, self.F = self.pieces(x)
        x = self.old_softmax(x) if self.opset < 13 and self.maybe(0.2) else x
        self.outputs.append(self.end(x))
        if not self.nodes or self.outputs[-1] in self.inputs:
            self.outputs[-1] = self.node("Identity", self.outputs[-1])
        kinds = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in self.inputs.items()}
        infos = [helper.make_tensor_value_info(n, kinds[n], None) for n in self.inputs]
        outputs = [helper.make_tensor_value_info(n, FLOATS[self.dtype], None) for n in self.outputs]
        return model(self.nodes, infos, outputs, self.arrays, self.opset), self.inputs
