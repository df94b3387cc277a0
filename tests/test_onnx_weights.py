"""Promise: a recurrent node of ONNX and a layer of pyrnn are made of each other, and are equal.

Random weights, so that no gate can stand for another; float32 within 1e-5 of ONNX Runtime.
"""

import itertools

import numpy as np
import pytest

WHY = "not installed: `make test-peers` does it"
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

from onnx import helper  # noqa: E402

import pyrnn.onnx  # noqa: E402
from onnx_models import answers, model, recurrent_node, values  # noqa: E402
from pyrnn.onnx._weights import layer_of, node_attributes, node_weights  # noqa: E402

N, T, F, H = 4, 7, 5, 6
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
DIRECTIONS = ("forward", "reverse", "bidirectional")
KINDS = [
    ("RNN", {}, ""),
    ("RNN", {"activations": ["Relu"]}, ""),
    ("RNN", {"activations": ["Sigmoid"]}, ""),
    ("RNN", {"activations": ["Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]}, ""),
    ("GRU", {}, ""),
    ("GRU", {"linear_before_reset": 1}, ""),
    ("GRU", {"activations": ["Sigmoid", "Tanh"]}, ""),
    ("LSTM", {}, ""),
    ("LSTM", {}, "P"),
    ("LSTM", {"input_forget": 1}, ""),
    ("LSTM", {"input_forget": 1}, "P"),
    ("LSTM", {"activations": ["Sigmoid", "Tanh", "Tanh"]}, ""),
]


def draw(kind, directions, names, rng, dtype=np.float32):
    """Weights of one node."""
    rows = GATES[kind] * H
    shapes = {"W": (rows, F), "R": (rows, H), "B": (2 * rows,), "P": (3 * H,)}
    drawn = {n: rng.uniform(-0.6, 0.6, (directions, *shapes[n])) for n in names}
    return {name: array.astype(dtype) for name, array in drawn.items()}


def per_direction(attributes, directions):
    """What is listed is listed for each direction."""
    return {n: a * directions if isinstance(a, list) else a for n, a in attributes.items()}


def side_by_side(y):
    """(T, D, N, H) of ONNX as (T, N, D*H)."""
    return np.concatenate(list(y.swapaxes(0, 1)), axis=-1)


@pytest.mark.parametrize("bias", ["B", ""])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("kind", "attributes", "more"), KINDS, ids=str)
def test_a_node_becomes_a_layer_and_a_node_again(kind, attributes, more, direction, bias):
    directions = 2 if direction == "bidirectional" else 1
    rng = np.random.default_rng([len(kind), directions, len(attributes)])
    weights = draw(kind, directions, "WR" + bias + more, rng)
    states = ["h0", "c0"][: 2 if kind == "LSTM" else 1]
    given = per_direction(attributes, directions)
    node = recurrent_node(kind, weights, lengths=True, states=states, direction=direction, **given)
    layer = layer_of(node, weights)
    assert type(layer).__name__ == kind and layer.bias is bool(bias)

    x = rng.standard_normal((T, N, F)).astype(np.float32)
    initial = tuple(rng.standard_normal((directions, N, H)).astype(np.float32) for _ in states)
    lengths = np.array([7, 3, 1, 5], np.int32)
    inputs = {"x": x, "lengths": lengths, **dict(zip(states, initial, strict=True))}
    infos = values(["x", *states]) + values(["lengths"], onnx.TensorProto.INT32)
    expected = answers(model([node], infos, values(node.output), weights), inputs)
    y, state = layer(x, initial if kind == "LSTM" else initial[0], lengths=lengths)
    state = state if kind == "LSTM" else (state,)
    np.testing.assert_allclose(y, side_by_side(expected["y"]), rtol=0, atol=1e-5)
    for name, ours in zip(("hn", "cn"), state, strict=False):
        np.testing.assert_allclose(ours, expected[name], rtol=0, atol=1e-5, err_msg=name)

    back = node_weights(layer, 0)
    assert back.keys() == weights.keys()
    again = layer_of(helper.make_node(kind, ["x"], ["y"], **node_attributes(layer)), back)
    assert repr(again) == repr(layer)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)
    if not attributes.get("input_forget"):  # whose rows of f nothing reads
        for name, array in weights.items():
            np.testing.assert_array_equal(back[name], array, err_msg=name)


@pytest.mark.parametrize("kind", GATES)
def test_layout_1_is_batch_first(kind):
    """ONNX Runtime has no layout=1: the same layer, which reads x sample first."""
    weights = draw(kind, 1, "WRB", np.random.default_rng(0))
    first, second = (layer_of(recurrent_node(kind, weights, layout=n), weights) for n in (0, 1))
    x = np.random.default_rng(1).standard_normal((T, N, F)).astype(np.float32)
    np.testing.assert_array_equal(first(x)[0], second(x.swapaxes(0, 1))[0].swapaxes(0, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_dtypes(dtype):
    """Half precision becomes float32, value for value."""
    weights = draw("GRU", 1, "WRB", np.random.default_rng(0), dtype)
    layer = layer_of(recurrent_node("GRU", weights), weights)
    assert layer.dtype == (np.float64 if dtype == np.float64 else np.float32)
    for name, array in node_weights(layer, 0).items():
        np.testing.assert_array_equal(array, weights[name])


def test_one_bias_and_deeper_layers():
    """bias="single" has zeros for the second one; each layer of a stack is a node's weights."""
    layer = pyrnn.LSTM(F, H, num_layers=3, bias="single", bidirectional=True, seed=0)
    for depth, width in enumerate((F, 2 * H, 2 * H)):
        weights = node_weights(layer, depth)
        assert weights["W"].shape == (2, 4 * H, width) and weights["R"].shape == (2, 4 * H, H)
        ours, zeros = np.split(weights["B"], 2, axis=1)
        assert not zeros.any()
        i, o = ours[1, :H], ours[1, H : 2 * H]
        bias = layer.state_dict()[f"bias_ih_l{depth}_reverse"]
        np.testing.assert_array_equal(np.concatenate([i, o]), np.r_[bias[:H], bias[3 * H :]])


def changed(kind="LSTM", **changes):
    """A node and weights with something wrong."""
    weights = draw(kind, 1, "WRB", np.random.default_rng(0))
    attributes = {n: v for n, v in changes.items() if n not in "WRBP"}
    node = recurrent_node(kind, weights, **attributes)
    weights |= {n: v for n, v in changes.items() if n in "WRBP"}
    return node, weights


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"clip": 1.0}, "LSTM node 'node': pyrnn does not compute the attribute clip"),
        ({"kind": "GRU", "input_forget": 1}, "does not compute the attribute input_forget"),
        ({"direction": "sideways"}, "direction is 'sideways', expected one of"),
        ({"direction": 1}, "direction is 1, expected one of"),
        ({"input_forget": 2}, "input_forget is 2, expected 0 or 1"),
        ({"layout": 3}, "layout is 3, expected 0 or 1"),
        ({"activations": ["Tanh"] * 3}, "activations are 'tanh, tanh, tanh', expected Sigmoid"),
        ({"activations": ["Sigmoid", "Tanh"]}, "'sigmoid, tanh', expected Sigmoid, Tanh, Tanh"),
        ({"activations": 7}, "activations is 7, expected a list"),
        ({"kind": "RNN", "activations": ["Elu"]}, "'elu', expected Tanh, Relu or Sigmoid"),
        ({"kind": "RNN", "activations": ["Affine"], "activation_alpha": [2.0]}, "'affine'"),
        ({"kind": "RNN", "activations": ["Tanh"] * 2}, "'tanh, tanh'"),
        ({"kind": "RNN", "activations": ["Affine"] * 2}, "'affine, affine'"),
        ({"W": zeros(1, 4 * H)}, "W has shape (1, 24), expected 3 axes"),
        ({"W": zeros(1, 3 * H, F)}, "W has shape (1, 18, 5), expected (1, 24, 5)"),
        ({"W": zeros(2, 4 * H, F)}, "W has shape (2, 24, 5), expected (1, 24, 5)"),
        ({"R": zeros(1, 4 * H, H + 1)}, "R has shape (1, 24, 7), expected (1, 24, 6)"),
        ({"B": zeros(1, 4 * H)}, "B has shape (1, 24), expected (1, 48)"),
        ({"P": zeros(1, 2 * H)}, "P has shape (1, 12), expected (1, 18)"),
        ({"kind": "GRU", "P": zeros(1, 3 * H)}, "P has shape (1, 18), expected (1, 0)"),
        ({"B": zeros(1, 8 * H, dtype=np.float64)}, "B': 'float64'}, expected one"),
        ({"R": zeros(1, 4 * H, H, dtype=np.int64)}, "R has dtype int64, expected float32"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(changes, says):
    with pytest.raises((TypeError, ValueError)) as raised:
        layer_of(*changed(**changes))
    assert says in str(raised.value)
    assert str(raised.value).startswith(f"{changes.get('kind', 'LSTM')} node 'node': ")


def test_a_node_lacks_weights():
    node, weights = changed()
    for name in "WR":
        with pytest.raises(ValueError, match=f"LSTM node 'node': it has no {name}"):
            layer_of(node, {n: a for n, a in weights.items() if n != name})


def test_hidden_size_disagrees():
    node, weights = changed()
    for attribute in node.attribute:
        attribute.i = H + 1
    with pytest.raises(ValueError, match=r"W has shape \(1, 24, 5\), expected \(1, 28, 5\)"):
        layer_of(node, weights)


def test_a_coupled_forget_gate_is_read_by_nobody():
    """Other rows of f give the same layer, in W, R, B and P."""
    rng = np.random.default_rng(0)
    weights = draw("LSTM", 1, "WRBP", rng)
    node = recurrent_node("LSTM", weights, input_forget=1)
    first = layer_of(node, weights)
    f = slice(2 * H, 3 * H)
    for name, rows in itertools.product("WRBP", [f]):
        weights[name] = weights[name].copy()
        weights[name][:, rows] += 1
    second = layer_of(node, weights).state_dict()
    for name, array in first.state_dict().items():
        np.testing.assert_array_equal(second[name], array)
