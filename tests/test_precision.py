"""set_precision("bf16"): products of float32 whose operands are rounded to bfloat16."""

from contextlib import contextmanager

import numpy as np
import pytest

import pyrnn
import reference
from cases import CELLS, Case
from compare import assert_close, assert_same_bits, assert_same_for_threads
from pyrnn import _core
from quantized_models import nearest, text_model

SHAPES = [  # rows, inputs, outputs: odd numbers of terms, more than a block of them, one row
    (1, 1, 1),
    (1, 5, 3),
    (2, 64, 64),
    (7, 33, 17),
    (41, 701, 130),
    (1, 1300, 70),
    (1031, 73, 64),
]
STEPS = [Case(cell, 33, 37, T=1, B=3, dtype="float32") for cell in CELLS] + [
    Case("lstm", 33, 40, T=1, B=3, proj_size=17, dtype="float32"),
    Case("lstm", 7, 33, T=1, B=2, options=(("peephole", True),), dtype="float32"),
    Case("gru", 20, 24, T=1, B=2, options=(("layer_norm", True),), dtype="float32"),
]
STACK = {"input_size": 21, "hidden_size": 45, "num_layers": 2, "T": 9, "B": 7, "dtype": "float32"}


@contextmanager
def precision(name):
    """Calls inside have it; a CPU without such products is a visible skip."""
    try:
        pyrnn.set_precision(name)
    except ValueError as error:
        pytest.skip(f"no products of bfloat16 here: {error}")
    try:
        yield
    finally:
        pyrnn.set_precision("float32")


@pytest.fixture
def bf16():
    with precision("bf16"):
        yield


class Rounded(np.ndarray):
    """An array whose matrix products round their operands to bfloat16, and give such an array."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        arrays = [np.asarray(a) if isinstance(a, np.ndarray) else a for a in inputs]
        if ufunc is np.matmul:
            arrays = [nearest(a).astype(np.float64) for a in arrays]
        if out is not None:
            getattr(ufunc, method)(*arrays, out=tuple(np.asarray(o) for o in out), **options)
            return out[0]
        return np.asarray(getattr(ufunc, method)(*arrays, **options)).view(Rounded)

    def __array_function__(self, function, types, arguments, options):
        made = super().__array_function__(function, types, arguments, options)
        return made.view(Rounded) if isinstance(made, np.ndarray) else made


class RoundedStack(reference.Stack):
    """The float64 twin with products of rounded operands."""

    def directions(self):
        for weights in super().directions():
            yield type(weights)(*(None if w is None else w.view(Rounded) for w in weights))


def expected_of(problem, monkeypatch):
    """Outputs and gradients of that twin."""
    with monkeypatch.context() as patch:
        patch.setattr(reference, "Stack", RoundedStack)
        return [{n: np.asarray(a) for n, a in part.items()} for part in problem.expected()]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_linear_layer_multiplies_rounded_numbers(shape, rng, bf16):
    rows, inputs, outputs = shape
    layer = pyrnn.Linear(inputs, outputs, seed=0)
    x, dy = rng.standard_normal((rows, inputs), "f4"), rng.standard_normal((rows, outputs), "f4")
    y, pullback = layer.vjp(x)
    dx = pullback(dy)
    W, b = layer.weight.data, layer.bias.data.astype("f8")
    near_x, near_w, near_dy = (nearest(a).astype("f8") for a in (x, W, dy))
    expected = {"y": near_x @ near_w.T + b, "dx": near_dy @ near_w}
    assert_close({"y": y, "dx": dx}, expected, "float32", inputs + outputs)
    gradients = {name: p.grad for name, p in layer.named_parameters()}
    expected = {"weight": near_dy.T @ near_x, "bias": near_dy.sum(0)}
    assert_close(gradients, expected, "float32", rows, backward=True)


@pytest.mark.parametrize("case", STEPS, ids=str)
def test_one_step_is_that_of_rounded_operands(case, monkeypatch, bf16):
    """Given numbers are rounded as the twin's; none that either computed is, but a projection's."""
    problem = case.problem()
    outputs, _ = problem.training()
    expected, _ = expected_of(problem, monkeypatch)
    if case.proj_size or case.cell == "gru_reset_before":
        assert all(np.abs(outputs[n] - e).max() < 2**-8 for n, e in expected.items())
    else:
        assert_close(outputs, expected, "float32", case.terms)
    if case.B > 1:
        assert_same_bits(problem.inference(), outputs)


@pytest.mark.parametrize("lengths", ["none", "ragged"])
@pytest.mark.parametrize("cell", CELLS)
def test_training_is_that_of_rounded_operands(cell, lengths, monkeypatch, bf16):
    """Numbers between two of bfloat16 may fall on the other side, so medians of errors count."""
    case = Case(cell, **STACK, bidirectional=True, lengths=lengths)
    problem = case.problem()
    actual = problem.training()
    rounded, exact = expected_of(problem, monkeypatch), problem.expected()
    for of_actual, of_rounded, of_exact in zip(actual, rounded, exact, strict=True):
        for name, a in of_actual.items():
            error, made = np.abs(a - of_rounded[name]), np.abs(of_rounded[name] - of_exact[name])
            size = np.abs(of_exact[name]).max()
            assert error.max() < 2**-6 * size, name
            if "bias" not in name:  # the twin sums what was not rounded
                assert np.median(error[made > 0]) < 0.2 * np.median(made[made > 0]), name


@pytest.mark.parametrize("rows", [1, 9])
def test_whole_numbers_are_exact(rows, rng):
    """Below 256 they are numbers of bfloat16: the bits are those of float32."""
    layer = pyrnn.RNN(33, 70, nonlinearity="relu", seed=0)
    for p in layer.parameters():
        few = rng.random(p.shape) < 2 / p.shape[-1]
        p[...] = np.where(few, rng.integers(-1, 2, p.shape), 0)
    x, dy = (rng.integers(-2, 3, (rows, 3, n)).astype("f4") for n in (33, 70))

    def results():
        layer.zero_grad()
        (y, h), pullback = layer.vjp(x)
        dx, dh = pullback(dy)
        return [y, h, layer(x)[0], dx, dh, *(p.grad.copy() for p in layer.parameters())]

    expected = results()
    assert max(np.abs(e).max() for e in expected) <= 256
    with precision("bf16"):
        assert_same_bits(results(), expected)


@pytest.mark.parametrize("lengths", ["none", "ragged"])
@pytest.mark.parametrize("recompute", [None, 4])
@pytest.mark.parametrize("cell", CELLS)
def test_threads_and_chunks_change_no_bit(cell, recompute, lengths, bf16):
    case = Case(cell, 65, 130, T=11, B=33, num_layers=2, lengths=lengths, dtype="float32")
    expected = case.any_problem().training()
    chunked = Case(**{**vars(case), "recompute_every": recompute}).any_problem()
    assert_same_bits(chunked.training(), expected)
    assert_same_for_threads(lambda: (chunked.training(), chunked.inference()))


@pytest.mark.parametrize("stack", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_members_in_chunks_of_other_lengths_stay_apart(cell, stack, bf16):
    """Rows end in every chunk of steps, so members that do not wait have chunks of their own."""
    case = Case(cell, 40, 72, T=120, B=48, lengths="ragged", dtype="float32", **stack)
    problem = case.any_problem()
    problem.lengths = np.linspace(120, 1, 48).astype(np.int64)
    problem.d_y = np.where(np.arange(120)[:, None, None] < problem.lengths[:, None], problem.d_y, 0)
    assert_same_for_threads(lambda: (problem.training(), problem.inference()), (2, 3, 2, 3, 2, 4))


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_is_the_same_alone_and_step_by_step(cell, bf16):
    problem = Case(cell, 65, 130, T=4, B=20, state=False, dtype="float32").any_problem()
    layer, x = problem.layer, problem.x
    whole = layer(x)[0]
    for row in (0, 7, 19):
        assert_same_bits(layer(x[:, row : row + 1])[0], whole[:, row : row + 1])
    for rows in (1, 20):
        stream = layer.stream(batch_size=rows)
        assert_same_bits([stream.step(x[t, :rows]) for t in range(4)], list(whole[:, :rows]))


def test_a_model_and_its_stream(rng, bf16):
    model, ids = text_model(), rng.integers(0, 31, (3, 12))
    whole = model(ids)
    assert_same_bits(model(ids[1:2]), whole[1:2])
    pyrnn.set_precision("float32")
    apart = np.abs(model(ids) - whole).max()
    assert 0 < apart < 0.02


def test_packed_weights_follow_the_precision(rng):
    layer, x = pyrnn.GRU(20, 30, seed=0), rng.standard_normal((2, 5, 20), "f4")
    before = layer(x)[0]
    with precision("bf16"):
        assert pyrnn.get_precision() == "bf16"
        inside = layer(x)[0]
    assert pyrnn.get_precision() == "float32"
    assert_same_bits(layer(x)[0], before)
    assert not np.array_equal(inside, before)


def test_a_pullback_keeps_the_precision_of_its_call(rng):
    layer, x = pyrnn.LSTM(20, 30, seed=0), rng.standard_normal((2, 5, 20), "f4")
    (y, _), pullback = layer.vjp(x)
    expected = pullback(np.cos(y))[0]
    (y, _), pullback = layer.vjp(x)
    with precision("bf16"):
        assert_same_bits(pullback(np.cos(y))[0], expected)
        (y, _), pullback = layer.vjp(x)
        expected = pullback(np.cos(y))[0]
        (y, _), pullback = layer.vjp(x)
    assert_same_bits(pullback(np.cos(y))[0], expected)


@pytest.mark.parametrize("kind", ["float64", "bf16", "int8"])
def test_what_has_one_precision_keeps_its_bits(kind, rng):
    dtype = "f8" if kind == "float64" else "f4"
    layer = pyrnn.LSTM(20, 30, dtype=np.dtype(dtype), seed=0)
    if kind != "float64":
        layer = pyrnn.quantize(layer, kind)
    x = rng.standard_normal((2, 5, 20)).astype(dtype)
    expected = layer(x)[0]
    with precision("bf16"):
        assert_same_bits(layer(x)[0], expected)


@pytest.mark.parametrize("inputs", [9, 10])
def test_only_the_projections_of_a_decoder_that_attends_are_rounded(inputs, rng):
    """Contexts follow x in what W_ih multiplies, after any number of columns."""
    layer = pyrnn.AttentionDecoder(inputs, 12, 6, seed=0)
    x, memory = rng.standard_normal((2, 5, inputs), "f4"), rng.standard_normal((2, 7, 6), "f4")
    expected = layer(x, memory)[0]
    with precision("bf16"):
        y = layer(x, memory)[0]
    assert 0 < np.abs(y - expected).max() < 2e-3


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3.4e38, 1e-40])
def test_special_numbers(value, bf16):
    """What no number of bfloat16 is near becomes infinite or zero, and only in its own row."""
    layer = pyrnn.Linear(5, 3, bias=False, seed=0)
    layer.weight[...] = 1
    x = np.ones((4, 5), "f4")
    x[2, 3] = value
    y = layer(x)
    expected = {3.4e38: np.inf, 1e-40: 4}.get(value, value)
    assert_same_bits(y[[0, 1, 3]], np.full((3, 3), 5, "f4"))
    assert np.array_equal(y[2], np.full(3, expected, "f4"), equal_nan=True)


@pytest.mark.parametrize("isa", [name for name in pyrnn.available_isas() if name != "avx512"])
def test_other_instruction_sets_refuse_it(isa):
    before = pyrnn.active_isa()
    _core._set_isa(isa)
    try:
        with pytest.raises(ValueError, match=rf"expected 'float32'.*AVX512_BF16.*'{isa}'"):
            pyrnn.set_precision("bf16")
        assert pyrnn.get_precision() == "float32"
        assert pyrnn.Linear(2, 2)(np.ones((1, 2), "f4")).shape == (1, 2)
    finally:
        _core._set_isa(before)


@pytest.mark.parametrize("name", ["", "BF16", "float16", "bf16\n"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=r"name is .*, expected one of \['float32', 'bf16'\]"):
        pyrnn.set_precision(name)


def test_only_a_name_is_a_precision():
    with pytest.raises(TypeError, match="set_precision: name is None, expected one of"):
        pyrnn.set_precision(None)


def test_a_checkpoint_says_with_which_precision_it_was_written(rng, tmp_path):
    x, y = rng.standard_normal((8, 3), "f4"), rng.standard_normal((8, 2), "f4")

    def fit(epochs):
        trainer = pyrnn.Trainer(pyrnn.Linear(3, 2, seed=0), "mse", "sgd", seed=0)
        path = tmp_path / "train.ckpt"
        trainer.fit(x, y, epochs=epochs, checkpoint=path, resume=True, progress=False)

    with precision("bf16"):
        fit(1)
    with pytest.warns(UserWarning, match=r"written by .* with products of bf16, this is"):
        fit(2)
