"""Promise: pyrnn.keras.load reads what Keras writes; outputs are those that Keras' tests expect."""

import subprocess
import sys

import numpy as np
import pytest

import pyrnn

pytest.importorskip("h5py", reason="h5py is not installed: make test installs it")

import pyrnn.keras
from keras_files import (
    archive,
    cell_arrays,
    keras_file,
    layer,
    legacy_file,
    sequential,
    weights_file,
)

GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}
PATHS = {"SimpleRNN": "simple_rnn", "LSTM": "lstm", "GRU": "gru"}


def loaded(tmp_path, data, suffix=".keras", model=None):
    (path := tmp_path / f"model{suffix}").write_bytes(data)
    return pyrnn.keras.load(path, model)


def ramp(rows, steps, features):
    """The input of Keras' own tests."""
    return np.arange(rows * steps * features, dtype=np.float32).reshape(rows, steps, features)


def constant(kind, units, inputs, fill=(0.01, 0.02, 0.03), **options):
    """A layer whose weights are the constants of Keras' own tests, and its arrays."""
    biased = options.get("use_bias", True)
    bias = (2,) if kind == "GRU" and options.get("reset_after", True) else ()
    arrays = cell_arrays(GATES[kind], inputs, units, bias if biased else None, fill)
    if kind == "LSTM" and biased and options.get("unit_forget_bias", True):
        arrays[2][units : 2 * units] = 1
    return layer(kind, units=units, **options), arrays


def of_one(tmp_path, kind, units, inputs, *front, **options):
    """The model of one such layer, after others without weights."""
    described, arrays = constant(kind, units, inputs, **options)
    path = {f"{PATHS[kind]}/cell": arrays}
    return loaded(tmp_path, keras_file([*front, described], path))


# What Keras 3's own tests of its layers expect for weights of 0.01, 0.02 and 0.03: lstm_test.py,
# gru_test.py and simple_rnn_test.py in keras/src/layers/rnn. All units of a row give the same.
LITERALS = [
    ("LSTM", 3, (3, 6, 4), {}, [0.6288687, 0.86899155, 0.9460773]),
    ("LSTM", 3, (3, 6, 4), {"go_backwards": True}, [0.35622165, 0.74789524, 0.8872726]),
    ("LSTM", 3, (3, 6, 4), {"unit_forget_bias": False}, [0.57019705, 0.8661914, 0.9459622]),
    ("LSTM", 3, (3, 6, 4), {"use_bias": False}, [0.54986924, 0.86226785, 0.9443936]),
    ("GRU", 3, (3, 6, 4), {}, [0.5217289, 0.6371659, 0.39384964]),
    ("GRU", 3, (3, 6, 4), {"go_backwards": True}, [0.24406259, 0.611516, 0.3928808]),
    ("GRU", 3, (3, 6, 4), {"reset_after": False}, [0.51447755, 0.6426879, 0.40208298]),
    ("GRU", 3, (3, 6, 4), {"use_bias": False}, [0.49988455, 0.64701194, 0.4103359]),
    ("SimpleRNN", 4, (2, 3, 4), {"unroll": True}, [0.405432, 0.73605347]),
    ("SimpleRNN", 4, (2, 3, 4), {"go_backwards": True}, [0.11144729, 0.5528889]),
]


@pytest.mark.parametrize(("kind", "units", "shape", "options", "wanted"), LITERALS)
def test_outputs_of_keras_own_tests(kind, units, shape, options, wanted, tmp_path):
    model = of_one(tmp_path, kind, units, shape[2], **options)
    y = model.predict(ramp(*shape))
    assert np.allclose(y, np.array(wanted)[:, None], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "shape", "units", "wanted"),
    [
        ("LSTM", (2, 3, 4), 4, [0.3124785, 0.6863672]),
        ("GRU", (2, 3, 4), 4, [0.29542392, 0.5885018]),
        ("SimpleRNN", (2, 3, 4), 4, [0.40559256, 0.7361247]),
    ],
)
def test_a_stateful_layer_goes_on(kind, shape, units, wanted, tmp_path):
    """As Keras' tests of statefulness, and as a stream of the steps of both calls."""
    model = of_one(tmp_path, kind, units, shape[2], stateful=True)
    x = ramp(*shape)
    _, state = model.run(x)
    y, _ = model.run(x, state)
    assert np.allclose(y, np.array(wanted)[:, None], atol=1e-5, rtol=1e-5)
    stream = model.stream(2)
    steps = [stream.step(x_t) for x_t in [*x.swapaxes(0, 1), *x.swapaxes(0, 1)]]
    assert np.array_equal(steps[-1], y)


def masked(x, real):
    x = x.copy()
    x[~np.array(real)] = -7.0
    return x


RIGHT = [[True, True, True, False], [True, True, False, False]]
LEFT = [[False, True, True, True], [False, False, True, True]]
GAPS = [[True, True, False, True], [True, False, False, True]]
MASKED = [
    ("LSTM", RIGHT, {}, [0.11755939, 0.28556206]),
    (
        "LSTM",
        RIGHT,
        {"return_sequences": True},
        [[0.01588910, 0.05552048, 0.11755939, 0.11755939], [0.14185596, *[0.28556206] * 3]],
    ),
    (
        "LSTM",
        RIGHT,
        {"return_sequences": True, "zero_output_for_mask": True},
        [[0.01588910, 0.05552048, 0.11755939, 0], [0.14185596, 0.28556206, 0, 0]],
    ),
    ("LSTM", LEFT, {"go_backwards": True}, [0.15341201, 0.3844719]),
    ("GRU", GAPS, {}, [0.19393763, 0.30818558]),
    (
        "SimpleRNN",
        GAPS,
        {"return_sequences": True},
        [[0.0599281, 0.15122814, 0.15122814, 0.32394567], [*[0.3969304] * 3, 0.608085]],
    ),
]


@pytest.mark.parametrize(("kind", "real", "options", "wanted"), MASKED)
def test_masks_of_keras_own_tests(kind, real, options, wanted, tmp_path):
    """A masked step repeats the output before it, unless there is zero_output_for_mask."""
    front = layer("Masking", mask_value=-7.0)
    model = of_one(tmp_path, kind, 2, 3, front, **options)
    y = model(masked(ramp(2, 4, 3), real))
    assert np.allclose(y, np.array(wanted)[..., None], atol=1e-5, rtol=1e-5)


def test_a_masked_last_step_with_zero_output_is_zero(tmp_path):
    options = {"zero_output_for_mask": True}
    model = of_one(tmp_path, "LSTM", 2, 3, layer("Masking", mask_value=-7.0), **options)
    assert not model(masked(ramp(2, 4, 3), RIGHT)).any()
    assert model(masked(ramp(2, 4, 3), GAPS)).all()


def test_go_backwards_gives_the_last_step_first(tmp_path):
    options = {"return_sequences": True}
    forward = of_one(tmp_path, "GRU", 3, 2, **options)
    backward = of_one(tmp_path, "GRU", 3, 2, go_backwards=True, **options)
    x = ramp(2, 5, 2) / 10
    assert np.array_equal(backward(x), forward(x[:, ::-1]))


def both(merge, kind, units, inputs, backward=None, **options):
    """A Bidirectional layer and its arrays."""
    inner, arrays = constant(kind, units, inputs, **options)
    second, other = constant(kind, units, inputs, go_backwards=True, **options | (backward or {}))
    described = layer("Bidirectional", merge_mode=merge, layer=inner, backward_layer=second)
    paths = {"forward_layer": arrays, "backward_layer": other}
    return described, {f"bidirectional/{way}/cell": found for way, found in paths.items()}


# keras/src/layers/rnn/bidirectional_test.py
@pytest.mark.parametrize(
    ("merge", "wanted"),
    [
        (
            "concat",
            [
                [0.39687276, 0.39687276, 0.10004295, 0.10004295],
                [*[0.7237238] * 2, *[0.53391594] * 2],
            ],
        ),
        ("ave", [[0.24845785] * 2, [0.6288199] * 2]),
        (None, ([[0.39687276] * 2, [0.7237238] * 2], [[0.10004295] * 2, [0.53391594] * 2])),
    ],
)
def test_merges_of_keras_own_tests(merge, wanted, tmp_path):
    described, arrays = both(merge, "SimpleRNN", 2, 4)
    y = loaded(tmp_path, keras_file([described], arrays))(ramp(2, 3, 4))
    assert isinstance(y, tuple) == (merge is None)
    assert np.allclose(y, wanted, atol=1e-5, rtol=1e-5)


def test_merges_of_other_weights_and_of_sequences(tmp_path):
    """The backward layer may have weights of its own; sums of sequences."""
    described, arrays = both("mul", "SimpleRNN", 2, 4, {"fill": (0.03, 0.02, 0.01)})
    y = loaded(tmp_path, keras_file([described], arrays))(ramp(2, 3, 4))
    assert np.allclose(y, [[0.08374989] * 2, [0.6740834] * 2], atol=1e-5, rtol=1e-5)
    described, arrays = both("sum", "GRU", 2, 4, return_sequences=True)
    y = loaded(tmp_path, keras_file([described], arrays))(ramp(2, 3, 4))
    wanted = [[0.20937867, 0.34462988, 0.40290534], [0.59829646, 0.6734641, 0.6479671]]
    assert np.allclose(y, np.array(wanted)[..., None], atol=1e-5, rtol=1e-5)


def test_a_bidirectional_layer_gives_zeros_at_masked_steps(tmp_path):
    described, arrays = both("concat", "GRU", 2, 3, return_sequences=True)
    front = layer("Masking", mask_value=-7.0)
    model = loaded(tmp_path, keras_file([front, described], arrays))
    y = model(masked(ramp(2, 4, 3), GAPS))
    assert np.array_equal((y != 0).all(axis=2), GAPS)


def test_return_state(tmp_path):
    """[y, h, c] as Keras returns them."""
    model = of_one(tmp_path, "LSTM", 2, 3, return_state=True, return_sequences=True)
    y, h, c = model(ramp(2, 4, 3))
    assert y.shape == (2, 4, 2) and np.array_equal(y[:, -1], h) and (c > h).all()
    (outputs, _), pullback = model.vjp(ramp(2, 4, 3))
    through_y, _ = pullback((np.concat([np.zeros_like(y[:, 1:]), h[:, None]], axis=1), None, None))
    (_, _), pullback = model.vjp(ramp(2, 4, 3))
    through_h, _ = pullback((None, h, None))
    assert np.allclose(through_y, through_h, atol=1e-7) and through_h.any()
    assert all(map(np.array_equal, outputs, (y, h, c)))


def test_states_in_a_functional_model(tmp_path):
    """An encoder that returns h and c alone, in Keras 3's form of a graph and in Keras 2's."""

    def tensor(name, number=0):
        return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, number]}}

    lstm, arrays = constant("LSTM", 2, 3, return_state=True)
    new = [{"args": [tensor("x")], "kwargs": {"training": False, "mask": None}}]
    for nodes in (new, [[["x", 0, 0, {}]]]):
        config = sequential(
            layer("InputLayer", "x", batch_shape=[None, 4, 3]), lstm | {"inbound_nodes": nodes}
        )
        config["class_name"] = "Functional"
        config["config"] |= {
            "input_layers": [["x", 0, 0]],
            "output_layers": [["lstm", 0, 1], ["lstm", 0, 2]],
        }
        model = loaded(tmp_path, archive(config, weights_file({"lstm/cell": arrays})))
        h, c = model(ramp(2, 4, 3))
        (whole, cells) = model[0][0](ramp(2, 4, 3))[1]
        assert np.array_equal(h, whole[0]) and np.array_equal(c, cells[0])


def test_a_whole_model(tmp_path):
    """Ids, masks, normalization, one layer inside another; saved by pyrnn, and read again."""
    gru, arrays = cell_arrays(3, 4, 5, (2,), seed=1), cell_arrays(4, 5, 3, seed=2)
    rng = np.random.default_rng(3)
    table, dense = rng.normal(size=(9, 4)), [rng.normal(size=(3, 2)), rng.normal(size=2)]
    norm = [rng.normal(size=5), rng.normal(size=5)]
    layers = [
        layer("InputLayer", batch_shape=[None, None]),
        layer("Embedding", input_dim=9, output_dim=4, mask_zero=True),
        layer("GRU", units=5, return_sequences=True),
        layer("LayerNormalization", axis=[-1], epsilon=1e-3),
        layer("Dropout", rate=0.5),
        layer("LSTM", units=3, return_sequences=True),
        layer("TimeDistributed", layer=layer("Dense", units=2, activation="softmax")),
        layer("GlobalMaxPooling1D"),
    ]
    stored = {
        "embedding": [table.astype(np.float32)],
        "gru/cell": gru,
        "layer_normalization": [a.astype(np.float32) for a in norm],
        "lstm/cell": arrays,
        "time_distributed/layer": [a.astype(np.float32) for a in dense],
    }
    model = loaded(tmp_path, keras_file(layers, stored))
    ids = np.array([[0, 3, 5, 0], [3, 0, 0, 5], [3, 5, 5, 5]])
    y = model.predict(ids)
    assert y.shape == (3, 2) and isinstance(model, pyrnn.keras.MaskedSequential)
    # Those of the first two rows have the same real steps; masked ones repeat an output, or 0.
    assert not np.array_equal(y[0], y[1]) and (y[0] >= y[1]).all()
    model.save(tmp_path / "own.safetensors")
    assert np.array_equal(pyrnn.load(tmp_path / "own.safetensors")(ids), model(ids))
    trained = [n for n, p in model.named_parameters() if p.grad.any()]
    (out, _), pullback = model.vjp(ids, rng=0)
    pullback(np.ones_like(out) + np.arange(2, dtype=np.float32))
    assert not trained and all(p.grad.any() for _, p in model.named_parameters())


def test_legacy_files(tmp_path):
    """Names of Keras 2, and states of random generators among the weights."""
    gru, dense = cell_arrays(3, 2, 3, (2,)), [np.ones((3, 1)), np.ones(1)]
    names = [f"gru/gru_cell/{n}:0" for n in ("kernel", "recurrent_kernel", "bias")]
    seed = {"gru/gru_cell/seed_generator_state:0": np.zeros(2, np.uint32)}
    weights = {
        "gru": dict(zip(names, gru, strict=True)) | seed,
        "dense": {
            "dense/kernel:0": dense[0].astype(np.float32),
            "dense/bias:0": dense[1].astype(np.float32),
        },
    }
    layers = [layer("GRU", units=3), layer("Dense", units=1)]
    for entry in layers:
        del entry["module"], entry["registered_name"]
    model = loaded(tmp_path, legacy_file(layers, weights), ".h5")
    named = {"gru/cell": gru, "dense": [a.astype(np.float32) for a in dense]}
    again = loaded(tmp_path, keras_file([layer("GRU", units=3), layer("Dense", units=1)], named))
    x = ramp(2, 4, 2)
    assert np.array_equal(model(x), again(x))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"peephole": True}, "has 'weight_peephole_l0', which Keras' layers have not"),
        ({"layer_norm": True}, "'weight_ln_hh_l0', 'weight_ln_ih_l0', which Keras"),
        ({"proj_size": 2}, r"weight_hh_l0 \(12, 3\), expected \(12, 2\)"),
        ({"coupled_gates": True}, r"weight_ih_l0 \(12, 2\), expected \(9, 2\)"),
        ({"bias": False}, "has 3 arrays"),
        ({"bidirectional": True}, "no more layers 'bidirectional'"),
        ({"num_layers": 2}, "no more layers 'lstm', 'rnn'; it has left nothing"),
    ],
)
def test_weights_do_not_go_into_other_layers(options, match, tmp_path):
    data = weights_file({"lstm/cell": cell_arrays(4, 2, 3)})
    with pytest.raises(ValueError, match=rf"module '' \(LSTM\).*{match}"):
        loaded(tmp_path, data, ".weights.h5", pyrnn.LSTM(2, 3, seed=0, **options))


def test_a_legacy_bidirectional_layer(tmp_path):
    """Keras 2 describes the backward layer by the forward one, and lists its weights after it."""
    described, arrays = both(
        "ave", "GRU", 2, 4, {"fill": (0.03, 0.02, 0.01)}, return_sequences=True
    )
    wanted = loaded(tmp_path, keras_file([described], arrays))
    del described["config"]["backward_layer"]
    named = {}
    for way in ("forward", "backward"):
        found = arrays[f"bidirectional/{way}_layer/cell"]
        names = ("kernel:0", "recurrent_kernel:0", "bias:0")
        named |= {f"b/{way}_gru/gru_cell/{n}": a for n, a in zip(names, found, strict=True)}
    model = loaded(tmp_path, legacy_file([described], {"bidirectional": named}), ".h5")
    x = ramp(2, 5, 4) / 10
    assert np.array_equal(model(x), wanted(x))


def test_predict_of_a_list(tmp_path):
    """Samples of one length are a batch; ragged ones have no mask of their own to give."""
    model = of_one(tmp_path, "GRU", 3, 2, layer("Masking", mask_value=-7.0))
    x = ramp(3, 4, 2)
    assert np.allclose(model.predict([*x]), model(x))
    with pytest.raises(ValueError, match="MaskedSequential: lengths came"):
        model.predict([x[0], x[1, :2]])


def test_weights_alone_go_into_a_module(tmp_path):
    """Two biases of a layer take Keras' one; all or nothing."""
    lstm, dense = cell_arrays(4, 2, 3), [np.ones((3, 1), np.float32), np.ones(1, np.float32)]
    data = weights_file({"lstm/cell": lstm, "dense": dense})
    layers = [layer("LSTM", units=3), layer("Dense", units=1)]
    wanted = loaded(tmp_path, keras_file(layers, {"lstm/cell": lstm, "dense": dense}))
    model = pyrnn.Sequential(pyrnn.LSTM(2, 3, seed=0), pyrnn.LastStep(), pyrnn.Linear(3, 1, seed=0))
    assert loaded(tmp_path, data, ".weights.h5", model) is model
    assert np.allclose(model(ramp(2, 4, 2)), wanted(ramp(2, 4, 2)), atol=1e-6)
    other = pyrnn.Sequential(pyrnn.LSTM(2, 3, seed=0), pyrnn.LastStep(), pyrnn.Linear(3, 2, seed=0))
    before = other.state_dict()
    with pytest.raises(
        ValueError, match=r"module '2' \(Linear\): the file has weight \(1, 3\), exp"
    ):
        loaded(tmp_path, data, ".weights.h5", other)
    assert all(np.array_equal(a, before[n]) for n, a in other.state_dict().items())
    tied = pyrnn.Sequential(pyrnn.LSTM(3, 3), pyrnn.LSTM(3, 3), batch_first=True)
    tied[1].weight_hh_l0 = tied[0].weight_hh_l0
    twice = weights_file({"lstm/cell": (a := cell_arrays(4, 3, 3)), "lstm_1/cell": a})
    with pytest.raises(ValueError, match=r"'1.weight_hh_l0' are tied to others"):
        loaded(tmp_path, twice, ".weights.h5", tied)
    with pytest.raises(ValueError, match="'gru', 'rnn'; it has left 'layers/dense', "):
        loaded(tmp_path, data, ".weights.h5", pyrnn.GRU(2, 3))
    with pytest.raises(ValueError, match="no place for 'layers/dense'"):
        loaded(tmp_path, data, ".weights.h5", pyrnn.LSTM(2, 3))
    with pytest.raises(ValueError, match=r"expected load\(path, model\)"):
        loaded(tmp_path, data, ".weights.h5")


def test_keras_is_not_imported(tmp_path):
    """Nor h5py, until a file is read."""
    of_one(tmp_path, "GRU", 3, 2)
    code = (
        "import sys, pyrnn, pyrnn.keras\n"
        "assert 'h5py' not in sys.modules\n"
        f"pyrnn.keras.load({str(tmp_path / 'model.keras')!r})\n"
        "assert 'h5py' in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_h5py_it_is_named(tmp_path, monkeypatch):
    (path := tmp_path / "model.keras").write_bytes(keras_file([layer("ReLU")], {}))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="needs h5py, which is not installed: pip install h5py"):
        pyrnn.keras.load(path)


def test_no_other_format_takes_it_without_its_masks(tmp_path):
    model = of_one(tmp_path, "GRU", 3, 2, layer("Masking"))
    with pytest.raises(TypeError, match="MaskedSequential"):
        pyrnn.export_c(model, tmp_path / "model.c")
    with pytest.raises(TypeError, match="MaskedSequential: it has no stream"):
        model.stream()
