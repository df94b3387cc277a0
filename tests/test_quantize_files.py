"""Promise: a quantized model is kept whole in files and copies; what it cannot do is refused."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from compare import assert_same_bits
from pyrnn import _core
from pyrnn._base.quantized import Bf16Parameter
from quantized_models import ids, rounded, text_model

each_form = pytest.mark.parametrize("form", ["bf16", "int8"])


def layer_of(cell):
    return lambda: Case(cell, dtype="float32").layer()


@each_form
@pytest.mark.parametrize("make", [text_model, *map(layer_of, CELLS)])
def test_files_and_copies(make, form, tmp_path):
    narrow = pyrnn.quantize(make(), form)
    narrow.save(tmp_path / "narrow.safetensors")
    loaded = pyrnn.load(tmp_path / "narrow.safetensors")
    assert repr(loaded) == repr(narrow) and loaded.config() == narrow.config()
    x = np.ones((2, 3), np.int64) if make is text_model else np.ones((2, 3, 5), np.float32)
    for again in (loaded, copy.deepcopy(narrow), pickle.loads(pickle.dumps(narrow))):
        assert [p.nbytes for p in again.parameters()] == [p.nbytes for p in narrow.parameters()]
        assert_same_bits(again.state_dict(), narrow.state_dict())
        assert_same_bits(again(x), narrow(x))
        with pytest.raises(ValueError, match=form):
            again.vjp(x)
    loaded.save(tmp_path / "again.safetensors")
    contents = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("narrow", "again")]
    assert contents[0] == contents[1]


def wide_bytes(model):
    return model.summary().total.bytes


def test_size_of_files(tmp_path):
    model = pyrnn.Sequential(pyrnn.Embedding(500, 64), pyrnn.LSTM(64, 256), pyrnn.Linear(256, 9))
    narrow = pyrnn.quantize(model, "bf16")
    sizes = []
    for name, each in (("wide", model), ("narrow", narrow)):
        each.save(tmp_path / f"{name}.safetensors")
        sizes.append((tmp_path / f"{name}.safetensors").stat().st_size)
    assert sizes[1] < 0.52 * sizes[0]
    wide, half = model.summary(), narrow.summary()
    quarter = pyrnn.quantize(model, "int8")
    quarter.save(tmp_path / "quarter.safetensors")
    assert (tmp_path / "quarter.safetensors").stat().st_size < 0.28 * sizes[0]
    biases = 4 * (2 * 4 * 256 + 9)
    scales = 4 * (500 + 2 * 4 * 256 + 9)
    assert quarter.summary().total.bytes - biases - scales == (wide_bytes(model) - biases) / 4
    assert len(pickle.dumps(quarter)) < 0.28 * len(pickle.dumps(model))
    assert half.total.bytes - biases == (wide.total.bytes - biases) / 2
    assert half.total.parameters == wide.total.parameters == narrow.num_parameters()
    assert len(pickle.dumps(narrow)) < 0.52 * len(pickle.dumps(model))


def test_others_read_the_file(tmp_path, rng):
    """As bfloat16: a float32 model of pyrnn, and torch."""
    quarter, wide = pyrnn.quantize(text_model(), "int8"), text_model()
    quarter.save(tmp_path / "quarter.safetensors")
    wide.load_state_dict(tmp_path / "quarter.safetensors")
    assert_same_bits(wide.state_dict(), quarter.state_dict())
    model = text_model()
    narrow, x = pyrnn.quantize(model, "bf16"), ids(rng)
    narrow.save(tmp_path / "narrow.safetensors")
    model.load_state_dict(tmp_path / "narrow.safetensors")
    assert_same_bits(model(x), narrow(x))
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    for name, tensor in load_file(tmp_path / "narrow.safetensors").items():
        expected = dict(narrow.named_parameters())[name]
        assert tensor.dtype == (torch.bfloat16 if expected.ndim == 2 else torch.float32)
        assert_same_bits(tensor.float().numpy(), expected.data)


def test_a_file_in_parts_bf16(tmp_path, rng):
    """What a file says is read weight by weight: the float32 weights of such a layer stay whole."""
    layer = pyrnn.LSTM(3, 5, seed=0)
    vars(layer)["weight_hh_l0"] = pyrnn.quantize(layer, "bf16").weight_hh_l0
    layer.save(tmp_path / "layer.safetensors")
    loaded, x = pyrnn.load(tmp_path / "layer.safetensors"), np.ones((1, 4, 3), np.float32)
    wide = copy.deepcopy(layer)
    vars(wide)["weight_hh_l0"] = pyrnn.Parameter(layer.weight_hh_l0.data)
    assert_same_bits(loaded(x), wide(x))
    assert_same_bits(loaded.weight_ih_l0.data, layer.weight_ih_l0.data)
    with pytest.raises(ValueError, match="bf16"):
        loaded.vjp(x)


def test_states_of_dict_and_frozen(tmp_path):
    model = pyrnn.GRU(3, 4, seed=0)
    narrow = pyrnn.quantize(model, "bf16")
    state = narrow.state_dict()
    assert {a.dtype for a in state.values()} == {np.dtype(np.float32)}
    assert_same_bits(state, rounded(model).state_dict())
    model.load_state_dict(state)
    assert [p.requires_grad for p in narrow.parameters()] == [False, False, True, True]
    mixed = pyrnn.Sequential(pyrnn.LayerNorm(4), pyrnn.quantize(pyrnn.Linear(4, 2), "bf16"))
    mixed.freeze()
    with pytest.raises(ValueError, match=r"Sequential\.unfreeze: weights are in bf16"):
        mixed.unfreeze()
    assert [p.requires_grad for p in mixed.parameters()] == [False] * 4
    mixed.unfreeze("0.*")
    assert [p.requires_grad for p in mixed.parameters()] == [True, True, False, False]


def test_a_file_with_bf16_where_none_can_be(tmp_path):
    path = tmp_path / "layer.safetensors"
    layer = pyrnn.Linear(3, 2, seed=0)
    vars(layer)["bias"] = Bf16Parameter.nearest(layer.bias.data)
    layer.save(path)
    with pytest.raises(ValueError, match="'bias' is stored in bf16, expected float32"):
        pyrnn.load(path)
    pyrnn.quantize(pyrnn.Linear(3, 2, seed=0), "bf16").save(path)
    content, named = path.read_bytes(), rb"\"frozen\": [\"weight\"]"
    assert named in content
    path.write_bytes(content.replace(named, rb"\"frozen\": [          ]"))
    with pytest.raises(ValueError, match="frozen: weights are in bf16"):
        pyrnn.load(path)


def test_a_quantized_model_is_not_trained():
    model = pyrnn.quantize(text_model(), "bf16")
    x, rnn = np.ones((2, 3), np.int64), pyrnn.quantize(pyrnn.RNN(3, 4), "bf16")
    with pytest.raises(
        ValueError, match=r"Embedding\.vjp: weights are in bf16, .* expected float32"
    ):
        model.vjp(x)
    with pytest.raises(ValueError, match=r"RNN\.vjp: weights are in bf16"):
        rnn.vjp(np.ones((1, 2, 3), np.float32))
    with pytest.raises(ValueError, match=r"Linear\.vjp: weights are in bf16"):
        pyrnn.quantize(pyrnn.Linear(3, 4), "bf16").vjp(np.ones(3, np.float32))
    loss, adam = pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(1e-3)
    with pytest.raises(ValueError, match="Trainer: weights are in bf16"):
        pyrnn.Trainer(model, loss=loss, optimizer=adam)
    x = np.ones((2, 1, 3), np.float32)
    with pytest.raises(ValueError, match="packed: weights of a narrower type"):
        rnn._stack.forward_train(rnn._packed(), x, None, None, None, False, 0, 0, 0, 1)


def test_a_quantized_weight_is_not_written():
    narrow = pyrnn.quantize(pyrnn.Linear(3, 2, seed=0), "bf16")
    before = narrow.state_dict()
    for write in (
        lambda: narrow.weight.__setitem__(..., 0.0),
        lambda: narrow.load_state_dict({name: np.zeros_like(a) for name, a in before.items()}),
        lambda: pyrnn.init.zeros(narrow.weight),
    ):
        with pytest.raises(RuntimeError, match="in bf16, for inference alone; write or train"):
            write()
    assert_same_bits(narrow.state_dict(), before)
    assert not narrow.weight.data.flags.writeable
    assert "bf16" in repr(narrow.weight) and "bf16" not in repr(narrow.bias)


def linear():
    return pyrnn.Linear(3, 4)


class Mixed(pyrnn.Module):
    """Parts of two dtypes."""

    def __init__(self):
        self.linear, self.rnn = linear(), pyrnn.GRU(4, 4, dtype=np.float64)


def with_weight(bits):
    def make():
        layer = linear()
        layer.weight[1, 2] = np.uint32(bits).view(np.float32)
        return layer

    return make


def wide_linear():
    return pyrnn.Linear(65537, 1)


@pytest.mark.parametrize(
    "make, word, kind, text",
    [
        (lambda: 3, "bf16", TypeError, "model is 3, expected a Module"),
        (linear, 8, TypeError, "weights is 8, expected 'bf16' or 'int8'"),
        (linear, "bf-16", ValueError, "'bf-16', expected 'bf16' or 'int8'; did you mean 'bf16'"),
        (linear, "half", ValueError, "weights is 'half', expected 'bf16' or 'int8'$"),
        (lambda: pyrnn.quantize(text_model(), "bf16"), "int8", ValueError, "in bf16 already"),
        (lambda: pyrnn.quantize(text_model(), "int8"), "bf16", ValueError, "in int8 already"),
        (wide_linear, "int8", ValueError, "Linear has 65537 columns, expected at most 65536"),
        (with_weight(0x7F800000), "int8", ValueError, "weight of Linear has .* not finite"),
        (lambda: pyrnn.GRU(3, 4, dtype=np.float64), "bf16", ValueError, "GRU is of float64"),
        (Mixed, "bf16", ValueError, "GRU 'rnn' is of float64, expected float32"),
        (lambda: pyrnn.Sequential(pyrnn.Tanh()), "bf16", ValueError, "Sequential has no recurrent"),
        *((with_weight(bits), "bf16", ValueError, "weight of Linear has .* not finite")
          for bits in (0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF)),
        (lambda: pyrnn.Sequential(pyrnn.Attention(4, 4), pyrnn.Linear(4, 4)), "bf16", ValueError,
         "model has the Attention '0', which reads"),
    ],
)  # fmt: skip
def test_what_is_refused(make, word, kind, text):
    model = make()
    with pytest.raises(kind, match=f"^quantize: .*{text}"):
        pyrnn.quantize(model, word)


def test_core_checks_the_word():
    stack = pyrnn.GRU(3, 4, dtype=np.float64)
    with pytest.raises(ValueError, match="form: 'bf16', expected '' for float64"):
        stack._stack.pack([p.data for p in stack.parameters()], 1, form="bf16")
    with pytest.raises(ValueError, match="form: 'half', expected '', 'bf16' or 'int8'"):
        _core.linear_pack(np.zeros((2, 3), np.float32), None, 1, form="half")
    with pytest.raises(ValueError, match="form: 'int8', expected '' for float64"):
        _core.linear_pack(np.zeros((2, 3)), None, 1, form="int8")
    table = np.zeros((2, 3), np.uint16)
    with pytest.raises(IndexError, match="ids: 2 at index 0, expected 0 to 1"):
        _core.embedding_forward(table, np.array([2]), 1)
    with pytest.raises(ValueError, match="weight"):
        _core.embedding_forward(table[0], np.array([0]), 1)
    with pytest.raises(TypeError, match="dtype uint16"):
        _core.ModelStream("it", [("embedding", table)], "float64", 1, 1)
    numbers, scales = np.zeros((2, 3), np.int8), np.zeros(2, np.float32)
    for bad in (
        numbers,
        (numbers,),
        (scales, numbers),
        (numbers, scales[:1]),
        (numbers, scales + 0j),
    ):
        with pytest.raises((TypeError, ValueError), match="weight"):
            _core.embedding_forward(bad, np.array([0]), 1)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"weight": np.full((4, 3), -128, np.int8)}, "numbers of -128 or scales that are negative"),
        ({"weight.scale": np.full(4, np.nan, np.float32)}, "or scales that are negative or not"),
        ({"weight.scale": np.full(4, -1, np.float32)}, "or scales that are negative or not"),
        ({"weight.scale": np.zeros(3, np.float32)}, "expected F32 'weight.scale' by row"),
        ({"weight.scale": np.zeros(4)}, "expected F32 'weight.scale' by row"),
        ({"weight.scale": None}, "expected F32 'weight.scale' by row"),
        ({"weight": np.full((4, 3), 100, np.int8)}, "rows without a number of -127 or 127"),
        ({"weight.scale": np.full(4, 0.1, np.float32)}, "or scales of more than 17 bits"),
    ],
)
def test_damaged_files(change, text, tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "linear.safetensors"
    pyrnn.quantize(linear(), "int8").save(path)
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    tensors = {n: a for n, a in (load_file(path) | change).items() if a is not None}
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(ValueError, match=text):
        pyrnn.load(path)
