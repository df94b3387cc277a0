"""Promise: Parallel, Concat, Add and Residual give the bits of a `forward` with the same parts.

Under lengths and masks, with states, in both layouts, in streams and in training.
"""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim
from test_layouts import both_layouts
from training import padded

N, T, F = 4, 6, 3
LENGTHS = np.array([6, 2, 0, 5])
MASK = np.random.default_rng(1).random((N, T)) < 0.6


def parts(dtype=np.float32, batch_first=None):
    """A recurrent part, and one that knows of no time and would see padding."""
    options = {"dtype": dtype, "seed": 0}
    rnn = pyrnn.LSTM(F, F, batch_first=batch_first, **options)
    dense = pyrnn.Linear(F, F, **options), pyrnn.Tanh()
    return rnn, pyrnn.Sequential(*dense, batch_first=batch_first)


class ByHand(pyrnn.Module):
    """The same as a class with forward."""

    def __init__(self, kind, rnn, dense):
        self.kind, self.rnn, self.dense = kind, rnn, dense

    def forward(self, x, state=None, lengths=None, mask=None):
        y, new = self.rnn(x, state, lengths, mask)
        if self.kind == "Residual":
            return x + y, new
        both = [y, self.dense(x, lengths, mask)]
        joined = {
            "Concat": lambda: pyrnn.concat(both, axis=-1),
            "Add": lambda: both[0] + both[1],
            "Parallel": lambda: tuple(both),
        }
        return joined[self.kind](), new


KINDS = ["Concat", "Add", "Residual", "Parallel"]
each = pytest.mark.parametrize("kind", KINDS)


def made(kind, rnn, dense, **options):
    given = (rnn,) if kind == "Residual" else (rnn, dense)
    return getattr(pyrnn, kind)(*given, **options)


def like(y, rng):
    if isinstance(y, tuple):
        return tuple(like(one, rng) for one in y)
    return rng.standard_normal(y.shape).astype(y.dtype)


@each
@both_layouts
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "told", [{}, {"lengths": LENGTHS}, {"mask": MASK}], ids=lambda told: next(iter(told), "all")
)
def test_same_bits_as_a_forward(kind, batch_first, dtype, told, rng):
    """Outputs, state, dx, dstate and every gradient; x where there is no step is garbage."""
    module = made(kind, *parts(dtype), batch_first=batch_first)
    hand = ByHand(kind, *parts(dtype, batch_first))
    x = rng.standard_normal((N, T, F)).astype(dtype)
    clean = x
    if told:
        real = told.get("mask", np.arange(T) < LENGTHS[:, None])
        clean = np.where(real[..., None], x, 0).astype(dtype)
        x = np.where(real[..., None], x, np.nan).astype(dtype)
    if not batch_first:
        x, clean = x.swapaxes(0, 1), clean.swapaxes(0, 1)
        told = {name: given.T for name, given in told.items()}
    state = tuple(rng.standard_normal((1, N, F)).astype(dtype) for _ in "hc")
    (y, new), pullback = module.vjp(x, (state,), **told)
    (expected, end), back = hand.vjp(clean, state, **told)
    assert_same_bits(module.run(x, (state,), **told), (y, new))
    assert_same_bits((y, new), (expected, (end,)))
    dy, dstate = like(y, rng), like(end, rng)
    dx, dstates = pullback(dy, (dstate,))
    dx2, dstate2 = back(dy, dstate)
    if told:  # where there is no step, a forward that adds x passes dy on
        gone = ~real if batch_first else ~real.T
        assert not dx[gone].any()
        dx2 = np.where(gone[..., None], 0, dx2).astype(dtype)
    assert_same_bits((dx, dstates), (dx2, (dstate2,)))
    used = [p for p in hand.parameters() if kind != "Residual" or p.grad.any()]
    assert_same_bits([p.grad for p in module.parameters()], [p.grad for p in used])


@each
def test_a_row_alone_is_a_row_in_any_batch(kind, rng):
    module = made(kind, *parts())
    rows = [rng.standard_normal((n, F)).astype("f4") for n in (5, 2, 6)]
    x, lengths = padded(rows)
    y = module(x.astype("f4"), lengths=lengths)
    for i, row in enumerate(rows):
        alone, whole = module(row), y
        for one, batch in zip(
            *((a if isinstance(a, tuple) else (a,)) for a in (alone, whole)), strict=True
        ):
            assert_same_bits(batch[i, : len(row)], one)
            assert not batch[i, len(row) :].any()


@each
def test_pieces_are_the_whole(kind, rng):
    """The state of one call is the beginning of the next."""
    module, x = made(kind, *parts()), rng.standard_normal((N, T, F)).astype("f4")
    y, state = module.run(x)
    first, middle = module.run(x[:, :2])
    second, end = module.run(x[:, 2:], middle)
    pairs = zip(first, second, strict=True) if kind == "Parallel" else [(first, second)]
    whole = y if kind == "Parallel" else (y,)
    assert_same_bits((tuple(np.concatenate(p, axis=1) for p in pairs), end), (whole, state))
    assert module.num_states == 1


def test_nested_and_without_time(rng):
    """States of all parts in order; pools side by side; ids."""
    model = pyrnn.Sequential(
        pyrnn.Concat(pyrnn.Embedding(7, 2, seed=0), pyrnn.Embedding(7, 3, seed=1)),
        pyrnn.Add(
            pyrnn.GRU(5, 4, seed=2),
            pyrnn.Sequential(pyrnn.RNN(5, 4, seed=3), pyrnn.Residual(pyrnn.GRU(4, 4, seed=4))),
        ),
        pyrnn.Concat(last=pyrnn.LastStep(), mean=pyrnn.MeanPool(), most=pyrnn.MaxPool()),
        pyrnn.Residual(pyrnn.Linear(12, 12, seed=5)),
    )
    ids, lengths = rng.integers(0, 7, (N, T)), np.array([6, 1, 3, 2])
    y, state = model.run(ids, lengths=lengths)
    assert y.shape == (N, 12) and [h.shape for h in state] == [(1, N, 4)] * 3
    for row, n in enumerate(lengths):
        assert_same_bits(model(ids[row, :n]), y[row])
    assert_same_bits(model.predict(list(ids)), model(ids))
    (y, _), pullback = model.vjp(ids)
    dx, _ = pullback(np.ones_like(y))
    assert dx is None and all(p.grad.any() for p in model.parameters())


def test_gradients_by_differences(rng):
    model = pyrnn.Sequential(
        pyrnn.Residual(pyrnn.Sequential(pyrnn.LayerNorm(F, dtype="f8"), parts("f8")[0])),
        pyrnn.Concat(*parts("f8")),
        pyrnn.Parallel(pyrnn.MeanPool(), pyrnn.Linear(2 * F, 2, dtype="f8", seed=3)),
    )
    x = rng.standard_normal((2, 4, F))
    w = like(model(x), rng)

    def loss(x):
        return sum((a * b).sum() for a, b in zip(model(x, lengths=[4, 2]), w, strict=True))

    _, pullback = model.vjp(x, lengths=[4, 2])
    dx, _ = pullback(w)
    for place in np.ndindex(x.shape):
        change = np.zeros_like(x)
        change[place] = 1e-5
        numeric = (loss(x + change) - loss(x - change)) / 2e-5
        assert abs(dx[place] - numeric) < 1e-8


def test_no_gradient_comes_for_outputs_without_one(rng):
    heads = pyrnn.Parallel(*parts())
    x = rng.standard_normal((N, T, F)).astype("f4")
    (y, _), pullback = heads.vjp(x)
    dx, _ = pullback((None, np.ones_like(y[1])))
    assert not heads[0].weight_ih_l0.grad.any() and heads[1][0].weight.grad.any() and dx.any()
    (y, _), pullback = heads.vjp(x, need_dx=False)
    assert pullback(tuple(map(np.ones_like, y)))[0] is None
    _, pullback = heads.vjp(x)
    assert not pullback(None, None)[0].any()


def test_masks_of_dropout_follow_rng():
    module = pyrnn.Add(pyrnn.Dropout(0.5, seed=0), pyrnn.Dropout(0.5, seed=1))
    x = np.ones((2, 8, F), np.float32)
    first, again, other = (module.vjp(x, rng=n)[0][0] for n in (3, 3, 4))
    assert_same_bits(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_streams(kind, rng):
    model = pyrnn.Sequential(made(kind, *parts()), pyrnn.Tanh())
    x = rng.standard_normal((2, T, F)).astype("f4")
    expected, state = model.run(x)
    stream = model.stream(2)
    for p in model.parameters():
        p[...] = 0  # the stream keeps the weights of before
    steps = [stream.step(x[:, t]) for t in range(3)]
    rest = stream.run(x[:, 3:])
    assert_same_bits(np.concatenate([np.stack(steps, 1), rest], axis=1), expected)
    assert_same_bits(stream.state, state)
    before = stream.state
    with pytest.raises(ValueError, match="expected"):
        stream.step(x[:, 0, :2])
    assert_same_bits(stream.state, before)
    stream.reset()
    assert_same_bits(stream.step(x[:, 0]), expected[:, 0])
    alone = made(kind, *parts())
    assert_same_bits(alone.stream(2).step(x[:, 0]), alone(x)[:, 0])


def test_parallel_has_no_stream():
    with pytest.raises(TypeError, match="Parallel gives several outputs: it has no stream"):
        pyrnn.Sequential(pyrnn.Parallel(pyrnn.Tanh(), pyrnn.Tanh())).stream()


@each
@pytest.mark.parametrize("named", [False, True])
def test_files_pickles_copies(kind, named, tmp_path, rng):
    rnn, dense = parts()
    given = {"rnn": rnn} if kind == "Residual" else {"rnn": rnn, "dense": dense}
    cls = getattr(pyrnn, kind)
    module = cls(**given) if named else cls(*given.values())
    model, x = pyrnn.Sequential(module), rng.standard_normal((N, T, F)).astype("f4")
    model.save(tmp_path / "model.safetensors")
    for again in (
        pyrnn.load(tmp_path / "model.safetensors"),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ):
        assert repr(again) == repr(model)
        assert_same_bits(again.state_dict(), model.state_dict())
        assert_same_bits(again(x), model(x))
    first = next(iter(module.state_dict()))
    assert first == ("rnn.weight_ih_l0" if named else "0.weight_ih_l0")


def test_summary_shows_what_joins():
    model = pyrnn.Sequential(pyrnn.Concat(*parts()), pyrnn.Parallel(pyrnn.MaxPool(), pyrnn.Tanh()))
    shapes = {row.layer: row.shape for row in model.summary().rows}
    assert shapes["0  Concat"] == "(N, T, 6)"
    assert shapes["1  Parallel"] == "(N, 6), (N, T, 6)"
    assert shapes["0.0  LSTM(input_size=3, hidden_size=3)"] == "(N, T, 3)"
    dense = pyrnn.Sequential(pyrnn.Residual(pyrnn.Linear(3, 3)))
    assert dense.summary().rows[0].shape == "(N, 3)"


def test_training_resumes_to_the_bit(tmp_path, rng):
    x = [rng.standard_normal((n, F)).astype("f4") for n in (5, 3, 6, 2, 4, 6)]
    y = np.arange(6) % 2

    def trainer():
        model = pyrnn.Sequential(
            pyrnn.Residual(pyrnn.Sequential(pyrnn.GRU(F, F, seed=0), pyrnn.Dropout(0.3, seed=1))),
            pyrnn.Concat(pyrnn.LastStep(), pyrnn.MeanPool()),
            pyrnn.Linear(2 * F, 2, seed=2),
        )
        return pyrnn.Trainer(model, losses.CrossEntropy(), optim.Adam(0.01), seed=0)

    options = {"batch_size": 2, "progress": False, "checkpoint": tmp_path / "run.safetensors"}
    whole, half, rest = trainer(), trainer(), trainer()
    whole.fit((x, y), epochs=3, batch_size=2, progress=False)
    half.fit((x, y), epochs=1, **options)
    rest.fit((x, y), epochs=3, resume=True, **options)
    assert_same_bits(rest.model.state_dict(), whole.model.state_dict())


def test_bad_input():
    tanh, pool, both = pyrnn.Tanh(), pyrnn.MaxPool(), pyrnn.GRU(3, 3, bidirectional=True)
    x = np.zeros((2, 5, 3), np.float32)
    for model, error, text in (
        (
            pyrnn.Concat(pool, tanh),
            ValueError,
            "Concat: joins .* outputs that differ in their last",
        ),
        (pyrnn.Add(tanh, pyrnn.Linear(3, 4)), ValueError, "Add: joins .* of one shape and dtype"),
        (pyrnn.Residual(pyrnn.Linear(3, 4)), ValueError, "Residual: joins .* the shape and dtype"),
        (pyrnn.Residual(pyrnn.GRU(2, 2)), ValueError, "GRU: x has shape"),
    ):
        with pytest.raises(error, match=text):
            model(x)
    with pytest.raises(TypeError, match="Residual: x has dtype int64"):
        pyrnn.Residual(pyrnn.Embedding(5, 3))(np.zeros((2, 5), int))
    for make, text in (
        (lambda: pyrnn.Residual(tanh, tanh), "Residual: got 2 modules, expected one"),
        (lambda: pyrnn.Residual(pool), "Residual: MaxPool takes the time axis away"),
        (lambda: pyrnn.Add(pyrnn.Parallel(tanh)), r"Add: module 0 \(Parallel\) gives several"),
        (lambda: pyrnn.Sequential(pyrnn.Parallel(tanh), tanh), "several outputs, expected it at"),
        (lambda: pyrnn.Concat(tanh, pyrnn.GRU(3, 3), pyrnn.GRU(3, 3, dtype="f8")), "in dtype"),
        (
            lambda: pyrnn.Sequential(both, pyrnn.Concat(pyrnn.LastStep())),
            r"module 1 \(Concat\): module 0 \(LastStep\) has bidirectional=False",
        ),
        (lambda: pyrnn.Sequential(pool, pyrnn.Add(pyrnn.GRU(3, 3))), "needs the time axis"),
        (lambda: pyrnn.Concat(), "Concat: no modules were given"),
    ):
        with pytest.raises(ValueError, match=text):
            make()
    with pytest.raises(TypeError, match=r"Concat: module 0 \(Own\) gives of type list"):

        class Own(pyrnn.Module):
            def __call__(self, x):
                return [x]

        pyrnn.Concat(Own())(x)


def test_bad_gradients_and_states():
    heads, x = pyrnn.Parallel(*parts()), np.zeros((2, 5, 3), np.float32)
    _, pullback = heads.vjp(x)
    for dy in ((x,), x, (x, x[:1]), (x, x, x)):
        with pytest.raises(ValueError, match="dy"):
            pullback(dy)
    pullback((x, x))  # after bad arguments it can still be called
    with pytest.raises(ValueError, match="Parallel: state has 2 entries, expected 1"):
        heads.run(x, (None, None))
    with pytest.raises(TypeError, match="Concat: the index is a slice"):
        pyrnn.Concat(*parts())[:1]
    with pytest.raises(TypeError, match="output is of type tuple, expected one array"):
        heads.predict(x)
