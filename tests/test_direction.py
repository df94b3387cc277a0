"""Promise: direction="reverse" is the layer on the sequence read from its end, to the bit."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from cell_options import DRAWN, TAKEN, all_of
from compare import assert_same_bits, assert_same_for_threads
from pyrnn import losses, optim

SIZES = {"input_size": 5, "hidden_size": 9, "T": 40, "B": 17}  # two chunks of the weights' sums

each_cell = pytest.mark.parametrize("cell", CELLS)
any_lengths = pytest.mark.parametrize("lengths", ["none", "zeros"])


def flipped(sequence, lengths):
    """Each row's own steps from its end; time first."""
    turned = sequence.copy()
    for row, n in enumerate(
        np.full(sequence.shape[1], len(sequence)) if lengths is None else lengths
    ):
        turned[:n, row] = sequence[:n, row][::-1]
    return turned


@each_cell
@any_lengths
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_as_the_flipped_sequence(cell, lengths, layers, dtype, isa):
    """Outputs, final states, all c, and every gradient; with the options that draw no masks."""
    options = all_of(cell, but=DRAWN)
    case = Case(cell, num_layers=layers, lengths=lengths, dtype=dtype, options=options, **SIZES)
    case = replace(case, cells=cell == "lstm")
    problem = replace(case, direction="reverse").any_problem()
    forward = case.any_problem()
    ends = forward.lengths
    for name in ("x", "d_y", "d_cells"):
        if getattr(problem, name) is not None:
            setattr(forward, name, flipped(getattr(problem, name), ends))
    results = [problem.inference(), *problem.training()]
    expected = [forward.inference(), *forward.training()]
    for found in expected:
        found |= {n: flipped(a, ends) for n, a in found.items() if n in ("y", "cells", "d_x")}
    assert_same_bits(results, expected)


@each_cell
@any_lengths
def test_half_of_a_bidirectional_layer(cell, lengths, isa):
    both = Case(cell, bidirectional=True, lengths=lengths, dtype="float32", **SIZES).any_problem()
    one = Case(
        cell, direction="reverse", lengths=lengths, state=False, dtype="float32", **SIZES
    ).any_problem()
    names = [name for name, _ in one.layer.named_parameters()]
    one.layer.load_state_dict({n: both.layer.state_dict()[f"{n}_reverse"] for n in names})
    H, zero = 9, np.zeros_like
    (y, _), pullback = both.layer.vjp(both.x, lengths=both.lengths)
    dx, _ = pullback(np.concatenate([zero(both.d_y[..., :H]), both.d_y[..., H:]], axis=-1))
    (own, _), own_pullback = one.layer.vjp(both.x, lengths=both.lengths)
    own_dx, _ = own_pullback(both.d_y[..., H:])
    grads = {n: getattr(both.layer, f"{n}_reverse").grad for n in names}
    assert_same_bits((own, own_dx), (y[..., H:], dx))
    assert_same_bits({n: getattr(one.layer, n).grad for n in names}, grads)


@each_cell
@any_lengths
@pytest.mark.parametrize("every", [1, "sqrt", 17])
def test_recomputed_with_all_options(cell, lengths, every, isa):
    options = {"options": all_of(cell), "lengths": lengths, "dtype": "float32"}
    case = Case(cell, num_layers=3, dropout=0.3, direction="reverse", **options, **SIZES)
    recomputed = replace(case, recompute_every=every).any_problem()
    assert_same_bits(recomputed.training(), case.any_problem().training())


@pytest.mark.parametrize("sizes", [{"T": 19, "B": 35}, {"T": 3, "B": 2}], ids=["rows", "units"])
@pytest.mark.parametrize("cell", TAKEN)
def test_any_number_of_threads(cell, sizes):
    hidden = 97 if sizes["B"] > 2 else 600
    options = {"direction": "reverse", "num_layers": 2, "lengths": "zeros", "dtype": "float32"}
    problem = Case(cell, 30, hidden, **sizes, **options).any_problem()
    assert_same_for_threads(lambda: (problem.inference(), problem.training()))


def test_gradient_under_dropout_between_layers():
    """Central differences, with the masks of one draw."""
    layer = pyrnn.GRU(2, 3, num_layers=2, dropout=0.5, direction="reverse", dtype="f8", seed=0)
    rng = np.random.default_rng(0)
    x, w, step = rng.standard_normal((2, 5, 2)), rng.standard_normal((2, 5, 3)), 1e-5

    def loss(x):
        return (layer.vjp(x, lengths=[5, 3], rng=7)[0][0] * w).sum()

    _, pullback = layer.vjp(x, lengths=[5, 3], rng=7)
    dx, _ = pullback(w)
    numeric = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        change = np.zeros_like(x)
        change[place] = step
        numeric[place] = (loss(x + change) - loss(x - change)) / (2 * step)
    np.testing.assert_allclose(dx, numeric, atol=1e-8)


def test_a_mask_and_one_sequence():
    layer = pyrnn.LSTM(3, 4, direction="reverse", seed=0)
    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("f4")
    mask = np.array([[True, False, True, True, False, False], [False] * 5 + [True]])
    y, (h, c) = layer(x, mask=mask)
    for row in range(2):
        alone, (h1, c1) = layer(x[row][mask[row]])
        assert_same_bits((y[row][mask[row]], h[:, row], c[:, row]), (alone, h1, c1))
        assert not y[row][~mask[row]].any()


def test_final_state_is_that_of_step_0_and_last_step_takes_it():
    layer = pyrnn.GRU(3, 4, direction="reverse", seed=0)
    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("f4")
    y, h = layer(x, lengths=[6, 4])
    assert_same_bits(
        (y[:, 0], pyrnn.LastStep(direction="reverse")(y, lengths=[6, 4])), (h[0], h[0])
    )
    model = pyrnn.Sequential(layer, pyrnn.LastStep(direction="reverse"))
    (last, _), pullback = model.vjp(x, lengths=[6, 4])
    _, expected = layer.vjp(x, lengths=[6, 4])
    assert_same_bits((last, pullback(h[0])[0]), (h[0], expected(None, h)[0]))


def test_last_step_has_to_end_where_the_layer_does():
    reverse, forward = pyrnn.GRU(3, 4, direction="reverse"), pyrnn.GRU(3, 4)
    with pytest.raises(ValueError, match="direction='forward', expected 'reverse' as the GRU"):
        pyrnn.Sequential(reverse, pyrnn.LastStep())
    with pytest.raises(ValueError, match="direction='reverse', expected 'forward' as the GRU"):
        pyrnn.Sequential(forward, pyrnn.Tanh(), pyrnn.LastStep(direction="reverse"))


@pytest.mark.parametrize(
    "around",
    [
        pyrnn.Sequential,
        pyrnn.Residual,
        pyrnn.Concat,
        lambda layer: pyrnn.Concat(pyrnn.Linear(4, 2), layer),
        lambda layer: pyrnn.Add(pyrnn.Identity(), layer),
        lambda layer: pyrnn.Sequential(pyrnn.Residual(layer), pyrnn.LayerNorm(4)),
        lambda layer: pyrnn.Sequential(layer, pyrnn.Concat(pyrnn.Identity(), pyrnn.Linear(4, 2))),
        lambda layer: pyrnn.Sequential(layer, pyrnn.TimeDistributed(pyrnn.Tanh())),
        lambda layer: pyrnn.Sequential(layer, pyrnn.Residual(pyrnn.Dropout(0.5))),
    ],
)
def test_last_step_has_to_end_where_a_layer_in_a_container_does(around):
    def make(**options):
        return around(pyrnn.GRU(4, 4, direction="reverse")), pyrnn.LastStep(**options)

    pyrnn.Sequential(*make(direction="reverse"))
    with pytest.raises(ValueError, match="direction='forward', expected 'reverse' as the GRU"):
        pyrnn.Sequential(*make())
    front, last = make()
    with pytest.raises(ValueError, match="direction='forward', expected 'reverse' as the GRU"):
        pyrnn.Sequential(front, pyrnn.Sequential(pyrnn.Dropout(0.5), pyrnn.Tanh(), last))
    pyrnn.Sequential(front, pyrnn.Sequential(pyrnn.Linear(4, 4), pyrnn.LastStep()))


def test_last_step_of_both_directions_after_containers():
    both, last = pyrnn.GRU(4, 2, bidirectional=True), pyrnn.LastStep(bidirectional=True)
    pyrnn.Sequential(pyrnn.Residual(both), last)
    pyrnn.Sequential(pyrnn.Concat(both), last)
    with pytest.raises(ValueError, match="bidirectional=False, expected True as the GRU"):
        pyrnn.Sequential(pyrnn.Residual(both), pyrnn.LastStep())
    for front in (
        [pyrnn.Concat(both, pyrnn.Linear(4, 4))],
        [both, pyrnn.Concat(pyrnn.Identity(), pyrnn.Linear(4, 4)), pyrnn.Tanh()],
    ):
        with pytest.raises(ValueError, match="put a LastStep into each part of the Concat"):
            pyrnn.Sequential(*front, last)
    with pytest.raises(ValueError, match="merge='sum', expected 'concat'"):
        pyrnn.Sequential(
            pyrnn.Residual(pyrnn.GRU(4, 4, bidirectional=True, merge="sum")), pyrnn.LastStep()
        )


def test_front_of_containers_outlives_pickles():
    front = pickle.loads(pickle.dumps(pyrnn.Concat(pyrnn.GRU(4, 4, direction="reverse"))))
    assert front._features_from().layers == (front[0],)
    with pytest.raises(ValueError, match="expected 'reverse' as the GRU"):
        pyrnn.Sequential(front, pyrnn.LastStep())


@pytest.mark.parametrize("make", [pyrnn.RNN, pyrnn.LSTM, pyrnn.GRU], ids=lambda cls: cls.__name__)
def test_refusals(make):
    layer, name = make(3, 4, direction="reverse"), make.__name__
    with pytest.raises(ValueError, match=f"{name}: stream: direction is 'reverse'"):
        layer.stream()
    with pytest.raises(ValueError, match=f"{name}: stream: direction is 'reverse'"):
        pyrnn.Sequential(layer).stream()
    with pytest.raises(ValueError, match="direction is 'reverse', expected 'forward' with bidir"):
        make(3, 4, direction="reverse", bidirectional=True)
    with pytest.raises(ValueError, match="direction is 'backward', expected one of"):
        make(3, 4, direction="backward")
    with pytest.raises(ValueError, match="LastStep: direction is 'reverse'"):
        pyrnn.LastStep(direction="reverse", bidirectional=True)


def test_tbptt_is_refused():
    model = pyrnn.Sequential(pyrnn.GRU(3, 4, direction="reverse"), pyrnn.Linear(4, 1))
    trainer = pyrnn.Trainer(model, losses.MSE(), optim.SGD(0.1))
    x, y = np.zeros((4, 6, 3), np.float32), np.zeros((4, 6, 1), np.float32)
    with pytest.raises(ValueError, match="tbptt carries the state forwards"):
        trainer.fit((x, y), epochs=1, tbptt=2, progress=False)


def test_core_refuses_what_starts_at_the_end():
    layer = pyrnn.GRU(3, 4, direction="reverse")
    with pytest.raises(ValueError, match="Stream: a bidirectional or reverse stack"):
        pyrnn._core.Stream(layer._stack, layer._packed(), 1, 1)
    stack = "gru", "float32", 3, 4, 1, True, True, 0, 0.0, "concat"
    with pytest.raises(ValueError, match="reverse: true, expected false with bidirectional"):
        pyrnn._core.Stack(*stack, reverse=True)


def test_files_pickles_copies_and_repr(tmp_path):
    model = pyrnn.Sequential(
        pyrnn.LSTM(3, 4, direction="reverse", seed=0), pyrnn.LastStep(direction="reverse")
    )
    assert repr(model[0]) == "LSTM(input_size=3, hidden_size=4, direction='reverse')"
    model.save(tmp_path / "model.safetensors")
    x = np.ones((2, 5, 3), np.float32)
    for again in (
        pyrnn.load(tmp_path / "model.safetensors"),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ):
        assert_same_bits(again(x), model(x))


def test_a_pickle_of_before_there_was_a_direction_loads():
    layer, x = pyrnn.LSTM(3, 4, seed=0), np.ones((2, 5, 3), np.float32)
    state = layer.__getstate__()
    del state["direction"]
    old = pyrnn.LSTM.__new__(pyrnn.LSTM)
    old.__setstate__(state)
    assert repr(old) == repr(layer)
    assert_same_bits(old(x), layer(x))
