"""Promise: every public call takes the arrays of other libraries, with the bits of numpy's; what
cannot be read is told with the call that makes it readable."""

import re

import numpy as np
import pytest

import pyrnn
from array_calls import CALLS, F, H, X
from array_kinds import KINDS, OnlyArray, OnlyDLPack
from compare import assert_same_bits
from pyrnn import losses, metrics
from pyrnn._base.checks import convert, read_floats


@pytest.fixture(scope="module")
def numpys():
    """What a call gives for numpy's arrays; computed once."""
    found = {}

    def result(name):
        if name not in found:
            found[name] = CALLS[name](lambda array: array)
        return found[name]

    return result


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_with_other_arrays(name, kind, numpys):
    assert_same_bits(CALLS[name](KINDS[kind]()), numpys(name))


TAKE_NONE = {  # public classes and functions without an argument that is an array
    *("Callback", "CSVLogger", "EarlyStopping", "ModelCheckpoint", "History", "Summary"),
    "PruningCallback",
    *(
        "LearningRateCurve",
        "LoadReport",
        "Output",
        "Pullback",
        "LossPullback",
        "Value",
        "Loss",
        "Metric",
    ),
    *("Stream", "SequentialStream", "SequenceDataset"),  # called with their layers and Trainer
    *("active_isa", "available_isas", "bio_constraints", "export_c", "get_num_threads", "load"),
    *("get_precision", "set_precision"),
    *("quantize", "LayerTrace", "Trace", "TraceTable"),
    *("entity_f1", "entity_precision", "entity_recall"),
    *("seed", "set_num_threads", "set_workspace_limit", "show_config", "threads"),
}


@pytest.mark.parametrize("namespace", [pyrnn, losses, metrics], ids=lambda n: n.__name__)
def test_every_public_name_is_called(namespace):
    short = namespace.__name__.removeprefix("pyrnn").strip(".")
    names = {n for n, o in vars(namespace).items() if n[0] != "_" and callable(o)}
    called = {name.rpartition(".")[2] for name in CALLS if name.startswith(f"{short}.")} | {*CALLS}
    assert names - TAKE_NONE <= called
    assert TAKE_NONE.isdisjoint(CALLS)


def test_a_view_where_the_library_gives_one(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=X.shape)
    mapped[...] = X
    held = OnlyDLPack(X)
    for given, memory in ((mapped, mapped), (held, held.held), (OnlyArray(mapped), mapped)):
        assert np.shares_memory(read_floats("GRU", "x", given, np.dtype(np.float32)), memory)


def test_torch_and_jax_are_read_in_place():
    torch = pytest.importorskip("torch")
    whole = torch.randn(4, 3, 6)
    for tensor in (whole, whole.transpose(0, 1), whole[..., ::2], whole.detach()):
        array = read_floats("GRU", "x", tensor, np.dtype(np.float32))
        assert array.ctypes.data == tensor.data_ptr() and array.shape == tuple(tensor.shape)


def test_an_array_of_numpys_own_is_itself():
    assert convert("GRU: x", X, "of floats") is X
    assert read_floats("GRU", "x", X, X.dtype) is X


GRU = pyrnn.GRU(F, H, seed=0)


def test_another_dtype_is_told_in_the_words_of_the_library():
    wide = X.astype(np.float64)
    told = "GRU: x has dtype float64, expected float32: convert it with "
    for given, call in (
        (wide, "x.astype(np.float32)"),
        (OnlyArray(wide), "np.array(x, np.float32)"),
        (OnlyDLPack(wide), "np.from_dlpack(x).astype(np.float32)"),
    ):
        with pytest.raises(TypeError, match=re.escape(told + call)):
            GRU(given)


class Elsewhere(OnlyArray):
    """An array on a device, as the array API standard has them."""

    device = "gpu:1"

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no")


def test_an_array_on_a_device_is_told_to_move():
    where = "is on the device gpu:1, expected an array of floats on the CPU: x.to_device(...)"
    with pytest.raises(TypeError, match=re.escape(f"GRU: x {where}")):
        GRU(Elsewhere(X))
    Elsewhere.get = lambda self: self.held
    with pytest.raises(TypeError, match=re.escape(where.replace("to_device(...)", "get()"))):
        GRU(Elsewhere(X))


def test_arrays_in_lists_of_which_numpy_makes_none():
    rows = [OnlyDLPack(row) for row in X[0]]
    assert_same_bits(GRU([[OnlyDLPack(step) for step in row] for row in X]), GRU(X))
    assert_same_bits(GRU(rows), GRU(X[0]))
    with pytest.raises(TypeError, match=r"GRU: x\[1\] is on the device"):
        GRU([X[0, 0], Elsewhere(X[0, 1])])


def tensors():
    """A tensor that numpy cannot read, what is said of it, and the call that it takes."""
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(X)
    complex_ = torch.complex(x, x)
    half = torch.bfloat16
    yield x.clone().requires_grad_(), "requires grad", "x.detach()"
    yield torch.nn.Parameter(x), "requires grad", "x.detach()"
    yield x.bfloat16(), "has dtype torch.bfloat16", "x.float()"
    yield (
        x.to(half, copy=True).requires_grad_(),
        "requires grad and has dtype torch.bfloat16",
        "x.detach().float()",
    )
    yield x.to_sparse(), "has the layout torch.sparse_coo", "x.to_dense()"
    yield complex_.conj().imag, "is to be negated", "x.resolve_neg()"
    yield torch.nested.nested_tensor([*x], layout=torch.jagged), "is nested", "x.unbind()"


@pytest.mark.filterwarnings("ignore")
def test_tensors_that_numpy_cannot_read():
    for tensor, reason, call in tensors():
        for given, name in ((tensor, "x"), ([tensor, tensor], "x[0]")):
            told = f"GRU: {name} is a tensor that {reason}, expected an array of floats"
            with pytest.raises(TypeError) as raised:
                GRU(given)
            assert str(raised.value).startswith(told), raised.value
            assert call.replace("x.", f"{name}.", 1) in str(raised.value)
        made = eval(call, {"x": tensor})
        if not isinstance(made, tuple):
            GRU(made)


def test_tensors_without_numbers_or_with_other_ones():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(X)
    for given, message in (
        (x.to("meta"), "x is a tensor on the device meta, which has no numbers"),
        (x.double(), "x has dtype float64, expected float32: convert it with x.float()"),
        (x.half(), "x has dtype float16, expected float32: convert it with x.float()"),
        (torch.nn.utils.rnn.pack_sequence([*x]), "x is a PackedSequence, expected an array"),
    ):
        with pytest.raises(TypeError, match=re.escape(f"GRU: {message}")):
            GRU(given)
    wide = pyrnn.GRU(F, H, dtype=np.float64, seed=0)
    with pytest.raises(TypeError, match=re.escape("convert it with x.double()")):
        wide(x)
    with pytest.raises(TypeError, match=re.escape("h0.detach()")):
        GRU(x, torch.zeros(1, 3, H, requires_grad=True))
    with pytest.raises(TypeError, match=re.escape("Parameter: value is a tensor that requires")):
        pyrnn.Parameter(X)[...] = x.requires_grad_()
    with pytest.raises(TypeError, match=r"Trainer: train x is a tensor .*: x\.detach\(\)"):
        model = pyrnn.Linear(F, F, seed=0)
        pyrnn.Trainer(model, "mse", "sgd").fit(x.requires_grad_(), X, progress=False)


def test_half_precision_of_jax_and_tables_of_polars():
    jax, polars = pytest.importorskip("jax"), pytest.importorskip("polars")
    half = jax.numpy.asarray(X, "bfloat16")
    with pytest.raises(TypeError, match=r"bfloat16, expected .*: convert it with x\.astype"):
        GRU(half)
    with pytest.raises(TypeError, match=r"convert it with x\.cast\(polars\.Float32\)"):
        pyrnn.Linear(F, H)(polars.DataFrame(X[0].astype(np.float64)))
    with pytest.raises(TypeError, match="jax traces, expected an array of floats that has its"):
        jax.jit(lambda x: GRU(x)[0])(X)
