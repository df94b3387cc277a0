"""Promise: pyrnn.onnx.recurrent_layers finds the recurrent layers of any model, or says why not."""

import itertools
import os
import warnings

import numpy as np
import pytest

WHY = "not installed: `make test-peers` does it"
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

import pyrnn  # noqa: E402
import pyrnn.onnx  # noqa: E402
from onnx_models import answers, model, save, values  # noqa: E402
from pyrnn.onnx._weights import node_attributes, node_weights  # noqa: E402

LAYER = pyrnn.GRU(3, 4, batch_first=False, seed=0)


def node(name="rnn", weights="W R B", x="x", outputs=("y", "h")):
    """A node of the operator set, by the names of its weights."""
    attributes = node_attributes(LAYER)
    return helper.make_node("GRU", [x, *weights.split()], list(outputs), name, **attributes)


def arrays():
    return node_weights(LAYER, 0)


def same(layer):
    """That a layer is LAYER, value for value."""
    assert repr(layer) == repr(LAYER)
    for name, array in LAYER.state_dict().items():
        np.testing.assert_array_equal(layer.state_dict()[name], array)
    return True


def found(nodes, tmp_path, initializers=(), outputs=("y",), inputs=("x",), **options):
    """recurrent_layers of a graph."""
    made = model(nodes, values(inputs), values(outputs), initializers, **options)
    return pyrnn.onnx.recurrent_layers(save(made, tmp_path))


def constant(name, array):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name))


def test_initializers(tmp_path):
    layers = found([node()], tmp_path, arrays())
    assert list(layers) == ["rnn"] and same(layers["rnn"])


def test_a_layer_computes_its_node(tmp_path):
    made = model([node()], values(["x"]), values(["y", "h"]), arrays())
    x = np.random.default_rng(0).standard_normal((5, 2, 3)).astype(np.float32)
    layer = pyrnn.onnx.recurrent_layers(save(made, tmp_path))["rnn"]
    y, h = layer(x)
    expected = answers(made, {"x": x})
    np.testing.assert_allclose(y, expected["y"][:, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(h, expected["h"], rtol=0, atol=1e-6)


W, R, B = arrays().values()
TO_FLOAT = {"to": TensorProto.FLOAT}
# {operator: what is stored, and the other inputs and the attributes with which it becomes W or B}
FOLDED = {
    "Transpose": ("W", W.transpose(0, 2, 1), [], {"perm": [0, 2, 1]}),
    "Unsqueeze": ("W", W[0], [[0]], {}),
    "Squeeze": ("W", W[None], [[0]], {}),
    "Reshape": ("W", W.ravel(), [[1, 12, -1]], {}),
    "Cast": ("W", W.astype(np.float64), [], TO_FLOAT),
    "Slice": ("W", np.concatenate([W, W], axis=1), [[12], [24], [1]], {}),
    "Split": ("W", np.concatenate([W, W]), [[1, 1]], {}),
    "Concat": ("W", W[:, :, :0], [W], {"axis": 2}),
    "Identity": ("B", B, [], {}),
    "Flatten": ("B", B.reshape(1, 4, 6), [], {"axis": 1}),
}


@pytest.mark.parametrize("operator", FOLDED)
def test_weights_that_nodes_make_of_constants(operator, tmp_path):
    name, stored, more, attributes = FOLDED[operator]
    given = {f"given{k}": np.array(array) for k, array in enumerate(more)}
    outputs = [name, "rest"] if operator == "Split" else [name]
    nodes = [
        constant("stored", stored),
        helper.make_node(operator, ["stored", *given], outputs, **attributes),
        node(),
    ]
    others = {n: a for n, a in arrays().items() if n != name}
    assert same(found(nodes, tmp_path, others | given)["rnn"])


def test_axes_are_attributes_in_older_operator_sets(tmp_path):
    nodes = [
        helper.make_node("Unsqueeze", ["w"], ["w_1"], axes=[0]),
        helper.make_node("Slice", ["w_1"], ["W"], axes=[2], starts=[1], ends=[4]),
        node(),
    ]
    wide = np.concatenate([W[0, :, :1], W[0]], axis=1)
    assert same(found(nodes, tmp_path, {"w": wide, "R": R, "B": B}, opset=9)["rnn"])


def body(name, *nodes):
    """A body of If, whose weights are those of the graph around it."""
    return helper.make_graph([*nodes], name, [], values(["y"]))


def test_bodies_are_searched(tmp_path):
    """If in If, Loop and Scan; a name that came before gets a number, an empty one the output's."""
    inner = helper.make_node(
        "If", ["flag"], ["y"], "inner", then_branch=body("a", node()), else_branch=body("b", node())
    )
    outer = helper.make_node(
        "If", ["flag"], ["z"], then_branch=body("c", inner), else_branch=body("d", node("other"))
    )
    scan = helper.make_node(
        "Scan",
        ["xs"],
        ["ys"],
        num_scan_inputs=1,
        body=helper.make_graph([node("scanned")], "e", values(["x"]), values(["y"])),
    )
    loop_inputs = [*values(["i"], TensorProto.INT64), *values(["on", "x"], TensorProto.BOOL)]
    loop = helper.make_node(
        "Loop",
        ["", "flag", "x"],
        ["last"],
        body=helper.make_graph([node("")], "f", loop_inputs, values(["on", "y"])),
    )
    inputs = ("x", "xs", "flag")
    layers = found([outer, scan, loop], tmp_path, arrays(), ("z", "ys", "last"), inputs)
    assert set(layers) == {"rnn", "rnn (2)", "other", "scanned", "y"}
    assert all(same(layer) for layer in layers.values())


def test_functions_are_searched(tmp_path):
    opset = [helper.make_opsetid("", 14)]
    stored = [constant(name, array) for name, array in arrays().items()]
    function = helper.make_function("own", "Net", ["x"], ["y"], [*stored, node()], opset)
    call = helper.make_node("Net", ["x"], ["y"], "call", domain="own")
    assert same(found([call], tmp_path, functions=[function])["rnn"])


def test_other_operators_do_not_matter(tmp_path):
    """Nor one of a domain that nobody knows, which may even be called GRU."""
    foreign = helper.make_node("GRU", ["x"], ["z"], "foreign", domain="somebody")
    assert list(found([foreign, node(x="z")], tmp_path, arrays())) == ["rnn"]
    assert found([foreign], tmp_path) == {}


def doubled(count):
    """W, joined to itself again and again."""
    names = ["W", *(f"w{k}" for k in range(count))]
    pairs = itertools.pairwise(names)
    return [helper.make_node("Concat", [a, a], [b], axis=0) for a, b in pairs], names[-1]


def test_weights_that_are_not_constant(tmp_path):
    inputs = ("x", "W")
    with pytest.raises(ValueError, match="GRU node 'rnn': W: 'W' is known only when the model"):
        found([node()], tmp_path, {"R": R, "B": B}, inputs=inputs)
    relu = helper.make_node("Relu", ["w"], ["W"], "bend")
    with pytest.raises(ValueError, match="'W' comes from Relu node 'bend', expected a constant"):
        found([relu, node()], tmp_path, {"w": W, "R": R, "B": B})
    around = {"then_branch": body("a", node()), "else_branch": body("b", node())}
    branch = helper.make_node("If", ["W"], ["y"], **around)
    with pytest.raises(ValueError, match="'W' is known only"):
        found([branch], tmp_path, {"R": R, "B": B}, inputs=inputs)


def test_what_a_body_is_given_hides_a_constant(tmp_path):
    given = helper.make_graph([node()], "a", values(["x", "W"]), values(["y"]))
    scan = helper.make_node("Scan", ["x", "x"], ["y"], num_scan_inputs=1, body=given)
    with pytest.raises(ValueError, match="'W' is known only"):
        found([scan], tmp_path, arrays())


def test_damaged_constants(tmp_path):
    circle = [helper.make_node("Identity", [a], [b]) for a, b in (("a", "W"), ("W", "a"))]
    with pytest.raises(ValueError, match="'W' is computed from itself"):
        found([*circle, node()], tmp_path, {"R": R, "B": B})
    nodes, last = doubled(60)
    with pytest.raises(ValueError, match=r"Concat node .* repeats constants until"):
        found([*nodes, node(weights=f"{last} R B")], tmp_path, arrays())
    wrong = helper.make_node("Reshape", ["w", "shape"], ["W"], "fold")
    with pytest.raises(ValueError, match="Reshape node 'fold': cannot reshape"):
        found([wrong, node()], tmp_path, {"w": W, "R": R, "B": B, "shape": np.array([5, 5])})
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "v"),
        numpy_helper.from_array(np.zeros(1, np.int64), "i"),
        [10**12],
    )
    made = helper.make_node("Constant", [], ["W"], "many", sparse_value=sparse)
    with pytest.raises(ValueError, match="Constant node 'many': its value is sparse"):
        found([made, node()], tmp_path, {"R": R, "B": B})


def tampered(tmp_path, change):
    """recurrent_layers after the tensor W was changed."""
    made = model([node()], values(["x"]), values(["y"]), arrays())
    change(made.graph.initializer[0])
    return pyrnn.onnx.recurrent_layers(save(made, tmp_path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.dims.append(-1), "has the shape (1, 12, 3, -1)"),
        (lambda t: t.dims.append(10**12), "cannot reshape"),
        (lambda t: t.float_data.append(1.0), "has its values in float_data and raw_data"),
        (lambda t: setattr(t, "raw_data", t.raw_data[:-1]), "multiple of element size"),
        (lambda t: setattr(t, "data_type", 99), "99"),
        (lambda t: setattr(t, "data_type", 0), "UNDEFINED"),
    ],
)
def test_damaged_tensors(tmp_path, change, says):
    with pytest.raises(ValueError) as raised:
        tampered(tmp_path, change)
    assert says in str(raised.value) and "GRU node 'rnn': W: tensor 'W'" in str(raised.value)


def external(tmp_path, location="weights.bin", **more):
    """A model whose W is in another file."""
    made = model([node()], values(["x"]), values(["y"]), arrays())
    tensor = made.graph.initializer[0]
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return save(made, tmp_path)


def test_external_data_are_read_when_asked(tmp_path):
    path = external(tmp_path)
    with pytest.raises(ValueError, match="tensor 'W' is in another file, which external_data=True"):
        pyrnn.onnx.recurrent_layers(path)
    assert same(pyrnn.onnx.recurrent_layers(path, external_data=True)["rnn"])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"location": "../weights.bin"}, "expected a path inside the model's folder"),
        ({"location": "below/../weights.bin"}, "expected a path inside the model's folder"),
        ({"location": "/etc/passwd"}, "expected a path inside the model's folder"),
        ({"location": ""}, "expected a path inside the model's folder"),
        ({"location": "missing.bin"}, "No such file"),
        ({"location": "link.bin"}, "symbolic link"),
        ({"location": "folder/weights.bin"}, "Not a directory"),
        ({"location": "hard.bin"}, "expected a regular file without another name"),
        ({"location": "pipe"}, "expected a regular file without another name"),
        ({"location": "below"}, "expected a regular file without another name"),
        ({"offset": "-1"}, "its offset is '-1', expected a number of bytes"),
        ({"offset": "x"}, "its offset is 'x', expected a number of bytes"),
        ({"offset": "9" * 30}, "expected a number of bytes"),
        ({"length": "-1"}, "its length is '-1', expected a number of bytes"),
        ({"length": str(10**15)}, "has length 1000000000000000, expected 144 for its shape"),
        ({"offset": "100"}, "up to byte 244, which has 144 bytes"),
        ({"checksum": "0"}, "its external data have 'checksum', expected 'location', 'offset'"),
        ({"__class__": "0"}, "its external data have '__class__'"),
    ],
    ids=str,
)
def test_external_data_stay_in_the_folder(tmp_path, wrong, says):
    inside = tmp_path / "inside"
    (inside / "below").mkdir(parents=True)
    for name in ("weights.bin", "other.bin"):
        (tmp_path / name).write_bytes(bytes(W.nbytes))
    (inside / "link.bin").symlink_to(tmp_path / "weights.bin")
    (inside / "folder").symlink_to(tmp_path)
    (inside / "hard.bin").hardlink_to(tmp_path / "other.bin")
    os.mkfifo(inside / "pipe")
    path = external(inside, **wrong)
    with pytest.raises(ValueError, match="tensor 'W'") as raised:
        pyrnn.onnx.recurrent_layers(path, external_data=True)
    assert says in str(raised.value)


def test_external_data_say_each_thing_once(tmp_path):
    path = external(tmp_path)
    made = onnx.load(path, load_external_data=False)
    made.graph.initializer[0].external_data.add(key="location", value="weights.bin")
    onnx.save(made, path)
    with pytest.raises(ValueError, match="its external data have a key twice"):
        pyrnn.onnx.recurrent_layers(path, external_data=True)


def test_files_that_are_no_models(tmp_path):
    path = tmp_path / "model.onnx"
    for data in (b"", b"\x00", b"PK\x03\x04", bytes(100), b"\xff" * 100, b"{}"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="is not a file of ONNX"):
            pyrnn.onnx.recurrent_layers(path)
    with pytest.raises(FileNotFoundError):
        pyrnn.onnx.recurrent_layers(tmp_path / "missing.onnx")
    with pytest.raises(TypeError, match="recurrent_layers: path is of type list"):
        pyrnn.onnx.recurrent_layers([])
    with pytest.raises(TypeError, match="recurrent_layers: external_data is 1, expected True"):
        pyrnn.onnx.recurrent_layers(path, external_data=1)


def test_every_cut_and_many_changes_of_a_file(tmp_path):
    """An error in words or layers, whatever stands in the file."""
    nodes = [helper.make_node("Transpose", ["w"], ["W"], perm=[0, 2, 1]), node()]
    initializers = {"w": W.transpose(0, 2, 1), "R": R, "B": B}
    data = model(nodes, values(["x"]), values(["y"]), initializers).SerializeToString()
    rng = np.random.default_rng(0)
    path = tmp_path / "model.onnx"
    damaged = [data[:k] for k in range(0, len(data), 7)]
    for _ in range(1000):
        changed = bytearray(data)
        for place in rng.integers(len(data), size=rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        damaged.append(bytes(changed))
    outcomes = set()
    for content in damaged:
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of onnx, about keys
                outcomes.add(type(pyrnn.onnx.recurrent_layers(path)))
        except (TypeError, ValueError) as error:
            outcomes.add(type(error))
            assert len(str(error)) < 3000
    assert {dict, ValueError} <= outcomes
