"""Promise: `load_state_dict` reads weights of torch and of files of safetensors, whole or a part of
a larger model's, and writes all or nothing."""

import json
import re
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

import pyrnn
from compare import assert_same_bits
from pyrnn._base.weights import write_all


def filled(module, value=0.0):
    for parameter in module.parameters():
        parameter[...] = value
    return module


def under(prefix, state, **others):
    return {f"{prefix}{name}": array for name, array in state.items()} | others


SOURCE = pyrnn.GRU(3, 4, seed=1)
STATE = SOURCE.state_dict()
HEAD = {"head.weight": np.ones((2, 4), np.float32)}


def test_a_part_of_a_larger_model():
    for prefix in ("encoder.rnn.", "encoder.rnn"):
        module = filled(pyrnn.GRU(3, 4))
        report = module.load_state_dict(under("encoder.rnn.", STATE, **HEAD), prefix=prefix)
        assert report == ([], []) and repr(report) == "LoadReport(all keys match)"
        assert_same_bits(module.state_dict(), STATE)


def test_what_is_left_out_is_reported():
    state = under("rnn.", STATE, **HEAD) | {"rnn.scale": np.ones(2)}
    del state["rnn.bias_hh_l0"]
    module = filled(pyrnn.GRU(3, 4), 0.5)
    missing, unexpected = report = module.load_state_dict(state, prefix="rnn.", strict=False)
    assert (missing, unexpected) == (["rnn.bias_hh_l0"], ["rnn.scale"])
    assert repr(report) == (
        "LoadReport(missing_keys=['rnn.bias_hh_l0'], unexpected_keys=['rnn.scale'])"
    )
    expected = STATE | {"bias_hh_l0": np.full(12, 0.5, np.float32)}
    assert_same_bits(module.state_dict(), expected)


@pytest.mark.parametrize("strict", [True, False])
def test_nothing_is_written_if_something_does_not_fit(strict):
    module = filled(pyrnn.GRU(3, 4), 0.5)
    before = module.state_dict()
    for wrong in (np.ones((12, 5), np.float32), np.ones((12, 4), np.int64)):
        with pytest.raises(ValueError, match=r"'weight_hh_l0' is .*, expected float32 of shape"):
            module.load_state_dict(STATE | {"weight_hh_l0": wrong}, strict=strict)
    for large in (np.full(12, 1e300), np.array([*11 * [1.0], -3.5e38])):
        with pytest.raises(ValueError, match="'bias_hh_l0' has numbers too large for float32"):
            module.load_state_dict(STATE | {"bias_hh_l0": large}, strict=strict)
    with pytest.raises(ValueError, match="missing 'weight_ih_l0'"):
        module.load_state_dict(HEAD, strict=strict)
    assert_same_bits(module.state_dict(), before)


def test_what_is_infinite_stays_so():
    module = pyrnn.Linear(2, 1)
    given = np.array([[np.inf, np.nan]]), np.array([-np.inf])
    module.load_state_dict(dict(zip(("weight", "bias"), given, strict=True)))
    assert_same_bits(list(module.state_dict().values()), [a.astype(np.float32) for a in given])


def test_an_interrupt_leaves_all_or_nothing():
    """At each single instruction of Python's."""
    module, x = pyrnn.LSTM(2, 2, seed=0), np.ones((1, 3, 2), np.float32)
    states = [module.state_dict(), pyrnn.LSTM(2, 2, seed=1).state_dict()]
    results = []
    for state in (states[1], states[0]):
        module.load_state_dict(state)
        results.insert(0, module(x)[0])
    left, found = 0, [0, 0]

    def trace(frame, event, _):
        nonlocal left
        frame.f_trace_opcodes = True
        left -= event == "opcode"
        if left < 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    for place in range(0, 10**5):
        left = place
        module.load_state_dict(states[0])
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            write_all(dict(module.named_parameters()), states[1])
            ended = True
        except KeyboardInterrupt:
            ended = False
        finally:
            sys.settrace(before)
        which = int(np.array_equal(module.weight_ih_l0.data, states[1]["weight_ih_l0"]))
        assert_same_bits(module.state_dict(), states[which])
        assert_same_bits(module(x)[0], results[which])
        found[which] += 1
        if ended:
            break
    assert ended and min(found) > 10


def test_a_prefix_that_would_fit_is_named():
    module, state = pyrnn.GRU(3, 4), under("encoder.rnn.", STATE, **HEAD)
    for prefix in ("", "rnn."):
        with pytest.raises(ValueError, match=r"all are there with prefix='encoder\.rnn\.'"):
            module.load_state_dict(state, prefix=prefix, strict=False)
    with pytest.raises(ValueError, match="all are there with prefix=''"):
        module.load_state_dict(STATE, prefix="rnn")
    with pytest.raises(TypeError, match="prefix is 3, expected a text"):
        module.load_state_dict(state, prefix=3)
    with pytest.raises(TypeError, match="strict is 0, expected True or False"):
        module.load_state_dict(state, strict=0)


def test_files(tmp_path):
    path = tmp_path / "weights.safetensors"
    module = filled(pyrnn.GRU(3, 4))
    for write, prefix in (
        (lambda: save_file(STATE, path), ""),
        (lambda: save_file(under("rnn.", STATE, ids=np.arange(3)), path), "rnn."),
        (lambda: SOURCE.save(path), ""),
    ):
        write()
        for given in (path, str(path), bytes(path)):
            filled(module).load_state_dict(given, prefix=prefix)
            assert_same_bits(module.state_dict(), STATE)
    save_file(STATE, path)
    with pytest.raises(ValueError, match=r"call module\.load_state_dict\(path\)"):
        pyrnn.load(path)


def write_raw(path, tensors):
    """A file of safetensors of (dtype, shape, bytes) by name."""
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        offsets = [len(body), len(body) + len(data)]
        header[name], body = {"dtype": dtype, "shape": shape, "data_offsets": offsets}, body + data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def test_half_precision_in_files_is_exact(tmp_path):
    path = tmp_path / "weights.safetensors"
    weight = np.array([[1.0, -2.5, 3e38, 1e-40]], np.float32)
    upper = weight.view(np.uint32) >> 16  # bfloat16 is the upper half of float32
    bias = np.array([0.333], np.float16)
    write_raw(
        path,
        {
            "weight": ("BF16", [1, 4], upper.astype("<u2").tobytes()),
            "bias": ("F16", [1], bias.tobytes()),
        },
    )
    for dtype in (np.float32, np.float64):
        linear = pyrnn.Linear(4, 1, dtype=dtype)
        linear.load_state_dict(path)
        assert_same_bits(linear.weight.data, (upper << 16).view(np.float32).astype(dtype))
        assert_same_bits(linear.bias.data, bias.astype(dtype))
    write_raw(path, {"weight": ("F8_E4M3", [1, 4], b"\0" * 4)})
    with pytest.raises(ValueError, match="tensor 'weight' is F8_E4M3, expected floats of 16, 32"):
        linear.load_state_dict(path)


def test_files_that_are_refused(tmp_path):
    module, before = pyrnn.GRU(3, 4), None
    before = module.state_dict()
    np.savez(tmp_path / "x.pt", **STATE)
    (tmp_path / "x.pt.npz").rename(tmp_path / "x.pt")
    (tmp_path / "x.bin").write_bytes(b"\x80\x02}q\x00.......................")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    for name, words in (
        ("x.pt", "looks like a zip archive"),
        ("x.bin", "looks like a pickle"),
    ):
        line = r"safetensors\.torch\.save_file\({.* torch\.load\('.*, weights_only=True\)\.items"
        with pytest.raises(ValueError, match=f"GRU.load_state_dict: mapping .*{words}.*{line}"):
            module.load_state_dict(tmp_path / name)
        with pytest.raises(ValueError, match=f"{words}.*{line}"):
            pyrnn.load(tmp_path / name)
    with pytest.raises(ValueError, match="no safetensors file, or a damaged one") as raised:
        module.load_state_dict(tmp_path / "cut.safetensors")
    assert "torch" not in str(raised.value).partition("mapping")[2].partition(": ")[2]
    with pytest.raises(FileNotFoundError):
        module.load_state_dict(tmp_path / "none")
    assert_same_bits(module.state_dict(), before)


def test_live_tensors():
    torch = pytest.importorskip("torch")
    given = torch.nn.GRU(3, 4)
    module = pyrnn.GRU(3, 4)
    with pytest.raises(TypeError, match=r"of type GRU, expected its mapping\.state_dict\(\)"):
        module.load_state_dict(given)
    expected = {name: tensor.numpy() for name, tensor in given.state_dict().items()}
    for state in (
        given.state_dict(),
        dict(given.named_parameters()),
        given.state_dict(keep_vars=True),
    ):
        filled(module).load_state_dict(state)
        assert_same_bits(module.state_dict(), expected)
    for half in (torch.bfloat16, torch.float16):
        state = {name: p.detach().to(half) for name, p in given.named_parameters()}
        filled(module).load_state_dict(state)
        assert_same_bits(module.state_dict(), {n: t.float().numpy() for n, t in state.items()})
    model = torch.nn.ModuleDict({"encoder": given, "head": torch.nn.Linear(4, 2)})
    filled(module).load_state_dict(model.state_dict(), prefix="encoder")
    assert_same_bits(module.state_dict(), expected)
    meta = torch.nn.GRU(3, 4, device="meta").state_dict()
    with pytest.raises(TypeError, match="is a tensor on the device meta, which has no numbers"):
        module.load_state_dict(meta)
    assert_same_bits(module.state_dict(), expected)


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt"])
def test_files_of_torch(tmp_path, monkeypatch, suffix):
    """Each becomes one of safetensors by the line that the error says, with tied weights too."""
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    given, module = torch.nn.GRU(3, 4), pyrnn.GRU(3, 4)
    given.bias_hh_l0 = given.bias_ih_l0
    state = given.state_dict() | {"transposed": torch.ones(2, 3).T}
    torch.save({"state_dict": state} if suffix == ".ckpt" else state, tmp_path / f"x{suffix}")
    for call in (module.load_state_dict, pyrnn.load):
        with pytest.raises(ValueError, match="looks like a zip archive") as raised:
            call(tmp_path / f"x{suffix}")
        line = re.search(r"safetensors\.torch\.save_file\(.*\.safetensors'\)", str(raised.value))[0]
        monkeypatch.chdir(tmp_path)
        exec(line, {"torch": torch, "safetensors": sys.modules["safetensors"]})
        module.load_state_dict("weights.safetensors", strict=False)
        assert_same_bits(module.state_dict(), {n: t.numpy() for n, t in given.state_dict().items()})
        (tmp_path / "weights.safetensors").unlink()
    half = {name: tensor.bfloat16().clone() for name, tensor in given.state_dict().items()}
    safetensors.save_file(half, tmp_path / "half.safetensors")
    module.load_state_dict(tmp_path / "half.safetensors")
    assert_same_bits(module.state_dict(), {n: t.float().numpy() for n, t in half.items()})


def test_half_precision_of_jax():
    jnp = pytest.importorskip("jax").numpy
    module = filled(pyrnn.GRU(3, 4))
    state = {name: jnp.asarray(array, "bfloat16") for name, array in STATE.items()}
    module.load_state_dict(state)
    expected = {name: np.asarray(array).astype(np.float32) for name, array in state.items()}
    assert_same_bits(module.state_dict(), expected)


def test_the_report_says_few_of_many_names():
    layer = pyrnn.Linear(1, 1)
    many = {f"other{i}": np.zeros(1) for i in range(50)} | layer.state_dict()
    report = layer.load_state_dict(many, strict=False)
    assert len(report.unexpected_keys) == 50
    assert re.fullmatch(
        r"LoadReport\(missing_keys=\[\], unexpected_keys=\[.*, \.\.\.\]\)", repr(report)
    )


@pytest.mark.parametrize(
    ("name", "reader"), [("m.onnx", "onnx"), ("m.keras", "keras"), ("m.H5", "keras")]
)
def test_load_names_the_reader_of_another_format(tmp_path, name, reader):
    (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(60))
    for load in (pyrnn.load, pyrnn.Linear(2, 2, seed=0).load_state_dict):
        with pytest.raises(ValueError, match=rf"; pyrnn\.{reader}\.load reads a file of") as error:
            load(tmp_path / name)
        assert "torch" not in str(error.value)
