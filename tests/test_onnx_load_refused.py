"""Promise: what pyrnn.onnx.load cannot run is refused by its node's name, damaged files in words.

Nothing in a file is executed, and memory stays within a few times the file's size. PYRNN_MUTATIONS
sets another number of damaged files than 1,000. Where onnx is installed.
"""

import contextlib
import os
import re
import tracemalloc
import warnings

import numpy as np
import pytest

import pyrnn

onnx = pytest.importorskip("onnx", reason="onnx is not installed: `make test-peers` does it")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: `make test-peers` does it")
from onnx import TensorProto, helper  # noqa: E402

import children  # noqa: E402
import pyrnn.onnx  # noqa: E402
from onnx_draws import Draw  # noqa: E402
from onnx_models import model, save, values  # noqa: E402

MUTATIONS = int(os.environ.get("PYRNN_MUTATIONS", "1000"))
WEIGHTS = {name: np.ones(shape, np.float32) for name, shape in (
    ("W", (1, 8, 3)), ("R", (1, 8, 2)), ("P", (1, 6)), ("v", (2,)))}  # fmt: skip


def refused(made, folder, says, error=ValueError):
    path = made if isinstance(made, str) else save(made, folder)
    with pytest.raises(error, match=re.escape(says)) as raised:
        pyrnn.onnx.load(path)
    assert str(raised.value).startswith(f"load: {path!r}: ")


def one_node(operator, *inputs, outputs=("y",), opset=18, domain="", **attributes):
    """A model of a node N."""
    node = helper.make_node(operator, inputs, outputs, "N", domain=domain, **attributes)
    return model([node], values(["x"]), values(["y"]), WEIGHTS, opset)


def lstm(**attributes):
    return one_node("LSTM", "x", "W", "R", **({"hidden_size": 2} | attributes))


def branch(name):
    return helper.make_graph(
        [helper.make_node("Identity", ["x"], [name])], name, [], values([name])
    )


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (one_node("Celu", "x"), "Celu node 'N': pyrnn does not compute this operator"),
        (
            one_node("If", "x", then_branch=branch("a"), else_branch=branch("b")),
            "If node 'N': pyrnn does not compute this operator",
        ),
        (
            one_node("Attention", "x", domain="com.microsoft"),
            "Attention node 'N': pyrnn does not compute this operator of 'com.microsoft'",
        ),
        (one_node("Tanh", "x", speed=1), "Tanh node 'N': attribute 'speed' came, expected none"),
        (one_node("Softmax", "x", axis=1.0), "Softmax node 'N': attribute axis is no INT"),
        (one_node("Cast", "x"), "Cast node 'N': attribute to is missing"),
        (one_node("Cast", "x", to=10), "Cast node 'N': what it casts to is FLOAT16"),
        (one_node("Add", "x"), "Add node 'N': it has 1 inputs, expected 2 to 2"),
        (one_node("Add", "x", ""), "Add node 'N': its input B is left out"),
        (one_node("Add", "x", "z"), "Add node 'N': its input 'z' is not known there"),
        (one_node("Add", "x", "y"), "Add node 'N': its input 'y' is not known there"),
        (one_node("Tanh", "x", outputs=("x",)), "Tanh node 'N': its output 'x' has another"),
        (
            one_node("LayerNormalization", "x", "v", outputs=("y", "mean")),
            "LayerNormalization node 'N': pyrnn does not compute its output 'mean'",
        ),
        (one_node("Dropout", "x", "", "v"), "Dropout node 'N': it has training_mode"),
        (one_node("Constant", value_string="x"), "Constant node 'N': it has 'value_string'"),
        (one_node("Shape", "x", opset=6), "of version 6, expected 7 to 28"),
        (one_node("Shape", "x", opset=99), "of version 99, expected 7 to 28"),
        (one_node("LayerNormalization", "x", "v", opset=16), "version 16 has no such operator"),
        (lstm(clip=1.0), "LSTM node 'N': pyrnn does not compute the attribute clip"),
        (lstm(activations=["Elu", "Tanh", "Tanh"]), "LSTM node 'N': the activations are"),
        (lstm(hidden_size=3), "LSTM node 'N': W has shape (1, 8, 3), expected (1, 12, 3)"),
        (lstm(direction="bidirectional"), "LSTM node 'N': W has shape (1, 8, 3), expected (2, "),
        (
            one_node("LSTM", "x", "W", "x", hidden_size=2),
            "LSTM node 'N': 'x' is known only when the model runs, expected a constant",
        ),
    ],
)
def test_nodes_are_named(made, says, tmp_path):
    refused(made, tmp_path, says)


def changed(change):
    """A model that runs, changed."""
    made = one_node("Add", "x", "v")
    change(made)
    return made


def add_opset(made):
    made.opset_import.add(domain="ai.onnx", version=11)


def add_sparse(made):
    made.graph.sparse_initializer.add()


def add_function(made):
    made.functions.add(name="F", domain="own")
    made.graph.node[0].op_type, made.graph.node[0].domain = "F", "own"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (add_opset, "it has two versions of the operators of ''"),
        (add_sparse, "it has sparse initializers"),
        (add_function, "it has the functions 'F', expected ONNX' operators alone"),
        (lambda m: m.graph.initializer.append(m.graph.initializer[0]), "two initializers"),
        (lambda m: m.graph.input.append(m.graph.input[0]), "two inputs of one name"),
        (lambda m: m.graph.ClearField("output"), "no inputs or outputs"),
        (lambda m: setattr(m.graph.output[0], "name", "z"), "no node makes its output 'z'"),
        (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 10), "'x' is FLOAT16"),
        (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 8), "'x' is STRING"),
        (lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", 7), "no floats"),
        (lambda m: m.graph.input[0].type.sequence_type.SetInParent(), "'x' is a sequence_type"),
        (lambda m: setattr(m.graph.initializer[3], "data_type", 10), "'v' is FLOAT16"),
        (lambda m: m.graph.node[0].attribute.add(name="a", ref_attr_name="b"), "'a' came"),
    ],
)
def test_files_are_named(change, says, tmp_path):
    refused(changed(change), tmp_path, says)


def test_attributes_of_functions_and_twice(tmp_path):
    made = one_node("Softmax", "x", axis=1)
    attribute = made.graph.node[0].attribute[0]
    made.graph.node[0].attribute.append(attribute)
    refused(made, tmp_path, "Softmax node 'N': attribute 'axis' came, expected once")
    del made.graph.node[0].attribute[1]
    attribute.ref_attr_name = "axis"
    refused(made, tmp_path, "Softmax node 'N': attribute axis is no INT")


def test_names_from_a_file_do_not_reach_the_terminal(tmp_path):
    made = one_node("Celu", "x")
    made.graph.node[0].name = "\x1b[31m\nred"
    with pytest.raises(ValueError, match=re.escape(r"\x1b[31m\nred")) as raised:
        pyrnn.onnx.load(save(made, tmp_path))
    assert str(raised.value).isprintable()


def peak_of_load(data, folder):
    """The bytes of Python's and numpy's that reading a file takes at most; all errors are words."""
    path = folder / "model.onnx"
    path.write_bytes(data)
    tracemalloc.start()
    with contextlib.suppress(ValueError):
        pyrnn.onnx.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_small_files_take_little_memory(tmp_path):
    """Sizes that a file tells of are not taken at their word."""
    huge = 2**40
    shape = {"s": np.array([huge]), "t": np.array([2**20, 2**20])}
    filled = helper.make_node("ConstantOfShape", ["s"], ["c"])
    again = helper.make_node("Expand", ["v", "t"], ["w"])
    claims = TensorProto(name="W", dims=[huge, 8, 3], data_type=1, raw_data=b"1234")
    cases = [
        model([filled], values(["x"]), values(["c"]), shape),
        model([again], values(["x"]), values(["w"]), shape | WEIGHTS),
        changed(lambda m: m.graph.initializer.append(claims)),
        changed(lambda m: m.graph.input[0].type.tensor_type.shape.dim.add(dim_value=huge)),
        lstm(hidden_size=2**40),
    ]
    peak_of_load(cases[0].SerializeToString(), tmp_path)  # what the first call imports
    for made in cases:
        assert peak_of_load(made.SerializeToString(), tmp_path) < 2**20


def test_too_many_nodes(tmp_path):
    made = one_node("Tanh", "x")
    made.graph.node.extend([made.graph.node[0]] * 100_000)
    refused(made, tmp_path, "it has more than 100000 nodes or initializers")


def test_weights_are_not_multiplied(tmp_path):
    """Many layers from one matrix, each with another option, and Concat of Concat."""
    arrays = {"W": np.zeros((1, 256, 256), np.float32), "R": np.zeros((1, 256, 64), np.float32)}
    lstms = [
        helper.make_node(
            "LSTM", ["x", "W", "R"], [f"y{i}"], hidden_size=64, activation_alpha=[1.0 * i]
        )
        for i in range(1, 100)
    ]
    made = model(lstms, values(["x"]), values(["y1"]), arrays)
    refused(made, tmp_path, "repeats weights of other nodes")
    with pytest.raises(ValueError, match=r"LSTM node 'y\d+' repeats weights of other nodes"):
        pyrnn.onnx.recurrent_layers(tmp_path / "model.onnx")
    twice = [helper.make_node("Concat", [f"v{i}"] * 2, [f"v{i + 1}"], axis=0) for i in range(40)]
    node = helper.make_node("LSTM", ["x", "v40", "v40"], ["y"], "N")
    made = model([*twice, node], values(["x"]), values(["y"]), {"v0": np.ones(1000, np.float32)})
    assert peak_of_load(made.SerializeToString(), tmp_path) < 2**22
    refused(made, tmp_path, "repeats constants")


def test_external_data(tmp_path):
    """Read when asked for, and not again and again."""
    made, path = one_node("Add", "x", "v"), str(tmp_path / "model.onnx")
    tensor = made.graph.initializer[3]
    (tmp_path / "v.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="v.bin")
    refused(made, tmp_path, "tensor 'v' is in another file, which external_data=True would read")
    y = pyrnn.onnx.load(path, external_data=True)(np.zeros((3, 2), np.float32))
    assert np.array_equal(y, np.ones((3, 2)))
    for i in range(9):
        made.graph.initializer.add().CopyFrom(tensor)
        made.graph.initializer[-1].name = f"v{i}"
    onnx.save(made, path)
    with pytest.raises(ValueError, match="of which other tensors have the same bytes"):
        pyrnn.onnx.load(path, external_data=True)


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            pyrnn.onnx.load(path)


def base_files():
    """Files that load, with most operators among them."""
    return [Draw(seed).model()[0].SerializeToString() for seed in (1, 4, 7, 12)]


def damaged(data, rng):
    """A file with some bytes changed, left out or put in, or cut."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place, kind = int(rng.integers(len(changed))), rng.integers(4)
        if kind == 0:
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[place] = int(rng.integers(256))
        elif kind == 2:
            del changed[place : place + int(rng.integers(1, 9))]
        else:
            changed[place:place] = rng.bytes(int(rng.integers(1, 5)))
    return bytes(changed[: rng.integers(len(changed))] if rng.random() < 0.1 else changed)


def test_damaged_files(tmp_path):
    """An error in words that names the file, or a graph; little memory; no warning, no hang."""
    rng, files = np.random.default_rng(0), base_files()
    path, outcomes = tmp_path / "model.onnx", set()
    for i in range(MUTATIONS):
        data = damaged(files[i % len(files)], rng)
        path.write_bytes(data)
        tracemalloc.start()
        try:
            with warnings.catch_warnings(action="error"):
                outcomes.add(type(pyrnn.onnx.load(path)).__name__)
        except ValueError as error:
            outcomes.add("refused")
            assert str(error).startswith(f"load: {str(path)!r}")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**20 + 50 * len(data)
    assert outcomes == {"Graph", "refused"}


def test_every_cut_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    data = base_files()[0]
    for size in range(0, len(data), 3):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match="load: "):
            pyrnn.onnx.load(path)


def test_other_formats_say_what_they_are(tmp_path):
    path = tmp_path / "model.onnx"
    for data in (b"", b"PK\x03\x04" + bytes(50), b"\x89HDF\r\n" + bytes(50), b"\x80\x04.", b"{}"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="is not a file of ONNX"):
            pyrnn.onnx.load(path)
    with pytest.raises(FileNotFoundError):
        pyrnn.onnx.load(tmp_path / "none.onnx")


def test_damaged_graphs_that_load_run_or_say_why(tmp_path):
    """In a process whose memory is bounded: an output, or an error in words."""
    (tmp_path / "files.py").write_text(f"data = {base_files()!r}")
    found = children.run(
        f"""
        import resource, sys, warnings
        sys.path[:0] = [{str(tmp_path)!r}, {os.path.dirname(__file__)!r}]
        import pyrnn, pyrnn.onnx
        from onnx_draws import Draw
        from test_onnx_load_refused import damaged
        from files import data
        warnings.simplefilter("ignore")
        held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 2**28,) * 2)
        rng, inputs = np.random.default_rng(1), [Draw(seed).model()[1] for seed in (1, 4, 7, 12)]
        path, ran, said = {str(tmp_path / "m.onnx")!r}, 0, 0
        for i in range({MUTATIONS} // 2):
            open(path, "wb").write(damaged(data[i % 4], rng))
            try:
                graph = pyrnn.onnx.load(path)
                graph(*inputs[i % 4].values())
                ran += 1
            except (TypeError, ValueError, MemoryError):
                said += 1
        print(ran, said)
    """,
        timeout=120,
    )
    ran, said = map(int, found)
    assert ran and said and ran + said == MUTATIONS // 2
