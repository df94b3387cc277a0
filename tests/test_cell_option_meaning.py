"""Promise: the options of the cells mean what their papers say, are kept by files, and refuse
what does not fit.
"""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from cases import LAYERS
from cell_options import SINGLE, TAKEN, all_of
from compare import assert_same_bits

CLASSES = {"lstm": pyrnn.LSTM, "gru": pyrnn.GRU, "rnn_tanh": pyrnn.RNN}


def still(cls, **options):
    """A layer with weights of 0 whose h is the same at every step, and not 0."""
    layer = cls(2, 50, batch_first=False, seed=0, dtype=np.float64, **options)
    for name, p in layer.named_parameters():
        p[...] = 0.5 if name.startswith("bias_ih") else 0
    return layer


@pytest.mark.parametrize("cls", [pyrnn.LSTM, pyrnn.GRU, pyrnn.RNN])
def test_zoneout_keeps_as_often_as_it_says(cls):
    """From a state that no cell makes, a unit keeps it through k steps with probability p^k."""
    layer, far = still(cls, zoneout=0.3), np.full((1, 200, 50), 7.0)
    state = (far, np.zeros((1, 200, 50))) if cls is pyrnn.LSTM else far
    (y, _), _ = layer.vjp(np.zeros((3, 200, 2)), state, rng=1)
    for k in (1, 2, 3):
        share, expected = np.mean(y[k - 1] == 7.0), 0.3**k
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / 10_000)


def test_zoneout_of_cells_has_masks_of_its_own():
    layer = still(pyrnn.LSTM, zoneout=0.5, zoneout_cell=0.2)
    far = np.full((1, 200, 50), 7.0)
    (y, _, c), _ = layer.vjp(np.zeros((1, 200, 2)), (far, far), rng=1, return_cells=True)
    kept_h, kept_c = y[0] == 7.0, c[0] == 7.0
    assert abs(kept_c.mean() - 0.2) < 0.02
    assert abs((kept_h & kept_c).mean() - 0.1) < 0.015  # independent


@pytest.mark.parametrize("cls", [pyrnn.LSTM, pyrnn.GRU, pyrnn.RNN])
def test_inference_is_the_mean_of_one_step(cls):
    layer, rng = cls(3, 4, zoneout=0.4, seed=0, dtype=np.float64), np.random.default_rng(0)
    x, h = rng.standard_normal((1, 1, 3)), rng.standard_normal((1, 1, 4))
    state = (h, h) if cls is pyrnn.LSTM else h
    mean = np.mean([layer.vjp(x, state, rng=k)[0][0] for k in range(4000)], axis=0)
    assert np.abs(mean - layer(x, state)[0]).max() < 0.08


def test_recurrent_dropout_draws_once_per_sequence():
    """With W_hh = 1 and relu, h grows by h/(1-p) or not at all: each unit the same at all steps."""
    layer = pyrnn.RNN(
        1,
        40,
        nonlinearity="relu",
        recurrent_dropout=0.25,
        batch_first=False,
        seed=0,
        dtype=np.float64,
    )
    for name, p in layer.named_parameters():
        p[...] = np.eye(40) if name == "weight_hh_l0" else 0
    x, h = np.zeros((4, 100, 1)), np.ones((1, 100, 40))
    (y, _), _ = layer.vjp(x, h, rng=2)
    grows = np.isclose(y, (1 / 0.75) ** np.arange(1, 5)[:, None, None])
    assert np.all(grows | (y == 0)) and np.all(grows == grows[0])
    assert abs(grows.mean() - 0.75) < 0.04
    assert_same_bits(layer(x, h)[0], np.ones_like(y))  # inference drops nothing
    assert not np.array_equal(layer.vjp(x, h, rng=3)[0][0], y)


def test_directions_and_layers_draw_apart():
    layer = pyrnn.RNN(1, 30, bidirectional=True, recurrent_dropout=0.5, seed=0, dtype=np.float64)
    for name, p in layer.named_parameters():
        p[...] = np.eye(30) if "weight_hh" in name else 0
    (y, _), _ = layer.vjp(np.zeros((1, 1, 1)), np.ones((2, 1, 30)), rng=0)
    assert not np.array_equal(*np.split(y, 2, axis=2))


def test_cell_clip_bounds_c():
    layer = pyrnn.LSTM(3, 8, cell_clip=0.05, seed=0)
    x = 3 * np.random.default_rng(0).standard_normal((20, 4, 3)).astype("f4")
    _, _, c = layer(x, return_cells=True)
    assert np.abs(c).max() == np.float32(0.05)


def test_coupled_gates_have_a_quarter_less():
    plain, coupled = pyrnn.LSTM(3, 8), pyrnn.LSTM(3, 8, coupled_gates=True, peephole=True)
    assert coupled.weight_hh_l0.shape == (24, 8) and plain.weight_hh_l0.shape == (32, 8)
    assert coupled.weight_peephole_l0.shape == (16,)
    with pytest.raises(ValueError, match="coupled_gates"):
        pyrnn.init.forget_gate_bias(coupled)
    normed = pyrnn.LSTM(3, 8, layer_norm=True)
    pyrnn.init.forget_gate_bias(normed)
    assert not normed.bias_ln_c_l0.data.any() and normed.weight_ln_c_l0.data.all()


@pytest.mark.parametrize("cell", CLASSES)
def test_saved_pickled_and_copied(cell, tmp_path):
    layer = CLASSES[cell](3, 4, num_layers=2, bidirectional=True, seed=0, **dict(all_of(cell)))
    assert all(f"{name}={value!r}" in repr(layer) for name, value in all_of(cell))
    x = np.random.default_rng(0).standard_normal((4, 2, 3)).astype("f4")
    layer.save(tmp_path / "layer.safetensors")
    copies = pyrnn.load(tmp_path / "layer.safetensors"), pickle.loads(pickle.dumps(layer))
    for other in (*copies, copy.deepcopy(layer)):
        assert other.config() == layer.config()
        assert_same_bits(other(x), layer(x))


@pytest.mark.parametrize(("cell", "options"), SINGLE, ids=str)
def test_a_layer_learns(cell, options):
    """Every option trains: the loss on one batch falls."""
    cls = CLASSES.get(cell, pyrnn.GRU if cell.startswith("gru") else pyrnn.RNN)
    model = pyrnn.Sequential(cls(2, 16, seed=0, **dict(options)), pyrnn.Linear(16, 1, seed=1))
    x = np.random.default_rng(0).standard_normal((12, 16, 2)).astype("f4")
    target, loss = x.cumsum(0).mean(2, keepdims=True), pyrnn.losses.MSE()
    adam, values = pyrnn.optim.Adam(0.01), []
    for _ in range(60):
        model.zero_grad()
        (y, _), pullback = model.vjp(x)
        value, back = loss.vjp(y, target)
        pullback(back())
        adam.step(model)
        values.append(value)
    assert np.mean(values[-5:]) < 0.8 * np.mean(values[:5])


@pytest.mark.parametrize(
    ("cls", "options", "error", "match"),
    [
        (pyrnn.LSTM, {"zoneout": 1.5}, ValueError, r"LSTM: zoneout is 1.5, expected 0 <= zoneout"),
        (pyrnn.LSTM, {"zoneout_cell": -0.1}, ValueError, "zoneout_cell is -0.1"),
        (pyrnn.RNN, {"recurrent_dropout": "a"}, TypeError, "RNN: recurrent_dropout is"),
        (
            pyrnn.LSTM,
            {"cell_clip": 0},
            ValueError,
            "cell_clip is 0.0, expected a finite number > 0",
        ),
        (pyrnn.LSTM, {"cell_clip": np.nan}, ValueError, "cell_clip is nan"),
        (pyrnn.LSTM, {"cell_clip": True}, TypeError, "cell_clip"),
        (pyrnn.LSTM, {"peephole": 1}, TypeError, "peephole is 1, expected True or False"),
        (pyrnn.LSTM, {"coupled_gates": None}, TypeError, "coupled_gates"),
        (pyrnn.GRU, {"layer_norm": "yes"}, TypeError, "layer_norm"),
        (pyrnn.GRU, {"layer_norm": True, "reset_after": False}, ValueError, "reset_after=False"),
        (pyrnn.GRU, {"zoneout_cell": 0.1}, TypeError, "zoneout_cell"),
        (pyrnn.RNN, {"layer_norm": True}, TypeError, "layer_norm"),
    ],
    ids=str,
)
def test_bad_options(cls, options, error, match):
    with pytest.raises(error, match=match):
        cls(3, 4, **options)


def test_the_core_checks_again():
    from pyrnn import _core

    def stack(cell="lstm", **options):
        return _core.Stack(cell, "float32", 3, 4, 1, False, True, 0, 0.0, "concat", **options)

    for options in ({"zoneout": 2.0}, {"recurrent_dropout": -1.0}, {"cell_clip": -1.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            stack(**options)
    for cell, option in (("gru", "peephole"), ("rnn_tanh", "layer_norm")):
        with pytest.raises(ValueError, match=option):
            stack(cell, **{option: True})
    with pytest.raises(TypeError, match="other"):
        stack(other=1)
    with pytest.raises(ValueError, match="arrays"):
        stack(peephole=True).pack([np.zeros((16, 3), "f4")], 1)
    layer = stack(peephole=True)
    arrays = [np.zeros(shape, "f4") for _, shape, _ in layer.parameters()]
    with pytest.raises(ValueError, match=r"\(8,\), expected \(12,\) = shape of weight_peephole_l0"):
        layer.pack([*arrays[:-1], np.zeros(8, "f4")], 1)


def test_every_cell_has_options():
    from pyrnn.layers._recurrent import cells

    assert set(TAKEN) == set(LAYERS)
    assert {cls for cls, _ in LAYERS.values()} == set(cells().values())
    for name, (cls, options) in LAYERS.items():
        assert cls(1, 1, **options).cell == name
