"""Promise: TimeDistributed gives each real step of each row what its module gives for it alone."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim
from test_layouts import both_layouts

N, T, W, F = 4, 5, 6, 3
LENGTHS = np.array([5, 2, 0, 4])
MASK = np.random.default_rng(2).random((N, T)) < 0.6


class Centred(pyrnn.Module):
    """A module of the user's own that knows of no time: rows less the mean of all their numbers."""

    def forward(self, x):
        return x - x.mean(axis=tuple(range(1, x.ndim)), keepdims=True)


def encoder(dtype=np.float32):
    """Of a step that is a sequence itself."""
    options = {"dtype": dtype, "seed": 0}
    return pyrnn.Sequential(Centred(), pyrnn.LSTM(F, 2, **options), pyrnn.LastStep())


@both_layouts
@pytest.mark.parametrize("told", [{}, {"lengths": LENGTHS}, {"mask": MASK}], ids=list)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_step_by_itself(batch_first, told, dtype, rng):
    """Outputs, dx and gradients; what is no step is garbage, and gets zeros."""
    module = pyrnn.TimeDistributed(encoder(dtype), batch_first=batch_first)
    x = rng.standard_normal((N, T, W, F)).astype(dtype)
    real = np.ones((N, T), bool)
    if told:
        real = told.get("mask", np.arange(T) < LENGTHS[:, None])
    x[~real] = np.nan
    given = x if batch_first else x.swapaxes(0, 1)
    told = told if batch_first else {name: value.T for name, value in told.items()}
    (y, state), pullback = module.vjp(given, **told)
    assert_same_bits(module(given, **told), y)
    dy = rng.standard_normal(y.shape).astype(dtype)
    dx, dstate = pullback(dy)
    if not batch_first:
        y, dy, dx = (a.swapaxes(0, 1) for a in (y, dy, dx))
    assert (state, dstate, y.shape) == ((), (), (N, T, 2))
    for n, t in np.argwhere(real):
        alone = encoder(dtype)
        (one, _), back = alone.vjp(x[n, t][None])
        assert_same_bits((one[0], back(dy[n, t][None])[0][0]), (y[n, t], dx[n, t]))
    assert not y[~real].any() and not dx[~real].any()
    place = np.cumsum(real, axis=1)[real]  # among the real steps of its row
    order = np.argsort(place, kind="stable")
    rows = encoder(dtype)  # all at once: the first steps of all rows, then the second ones
    _, back = rows.vjp(x[real][order])
    back(dy[real][order])
    assert_same_bits([p.grad for p in module.parameters()], [p.grad for p in rows.parameters()])


def test_one_sequence_and_nothing(rng):
    module = pyrnn.TimeDistributed(Centred())
    x = rng.standard_normal((T, F))
    assert_same_bits(module(x), Centred()(x))
    assert_same_bits(module(x, lengths=[2])[:2], Centred()(x[:2]))
    for shape in ((0, 4, F), (4, 0, F)):
        assert module(np.zeros(shape)).shape == shape
    assert not module(np.ones((2, 3, F)), lengths=[0, 0]).any()
    dense = pyrnn.TimeDistributed(pyrnn.Linear(F, 2, seed=0))
    assert dense(np.zeros((2, 3, F), np.float32), lengths=[0, 0]).shape == (2, 3, 2)


def documents():
    """Words make sentences, sentences a document."""
    words = pyrnn.Sequential(pyrnn.Embedding(9, 2, seed=0), pyrnn.GRU(2, 4, seed=1))
    return pyrnn.Sequential(
        sentences=pyrnn.TimeDistributed(
            encoder=pyrnn.Sequential(words, pyrnn.LastStep(), pyrnn.Dropout(0.2, seed=3))
        ),
        rnn=pyrnn.GRU(4, 5, seed=2),
        last=pyrnn.LastStep(),
        head=pyrnn.Linear(5, 2, seed=3),
    )


def test_documents_train_and_resume_to_the_bit(tmp_path, rng):
    x = [rng.integers(0, 9, (n, W)) for n in (5, 3, 6, 2, 4, 6)]
    y = np.arange(6) % 2

    def trainer():
        return pyrnn.Trainer(documents(), losses.CrossEntropy(), optim.Adam(0.01), seed=0)

    options = {"batch_size": 2, "progress": False, "checkpoint": tmp_path / "run.safetensors"}
    whole, half, rest = trainer(), trainer(), trainer()
    whole.fit((x, y), epochs=3, batch_size=2, progress=False)
    half.fit((x, y), epochs=1, **options)
    rest.fit((x, y), epochs=3, resume=True, **options)
    assert_same_bits(rest.model.state_dict(), whole.model.state_dict())
    model = whole.model
    assert_same_bits(model.predict(x)[3], model(x[3][None])[0])
    with pytest.raises(ValueError, match=r"ids|num_embeddings"):
        whole.fit(([row + 9 for row in x], y), epochs=1, progress=False)


@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy"])
def test_files_pickles_copies(way, tmp_path, rng):
    model, ids = documents(), rng.integers(0, 9, (N, T, W))
    if way == "file":
        model.save(tmp_path / "model.safetensors")
        again = pyrnn.load(tmp_path / "model.safetensors")
    else:
        again = copy.deepcopy(model) if way == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert repr(again) == repr(model) and "sentences.encoder.0.0.weight" in again.state_dict()
    assert_same_bits(again(ids), model(ids))


def test_stream(rng):
    model = pyrnn.Sequential(pyrnn.TimeDistributed(encoder()), pyrnn.GRU(2, 4, seed=1))
    x = rng.standard_normal((2, T, W, F)).astype("f4")
    expected, stream = model(x), model.stream(2)
    for p in model.parameters():
        p[...] = 0  # the stream keeps the weights of before
    steps = [stream.step(x[:, t]) for t in range(2)]
    assert_same_bits(np.concatenate([np.stack(steps, 1), stream.run(x[:, 2:])], 1), expected)


def test_the_module_keeps_its_layout(rng):
    """In a model that is time-major, and in one around that."""
    x = rng.standard_normal((N, T, W, F)).astype("f4")
    inner = pyrnn.Sequential(pyrnn.TimeDistributed(encoder()), pyrnn.GRU(2, 4, seed=1))
    expected = inner(x)
    front = pyrnn.TimeDistributed(encoder())
    model = pyrnn.Sequential(pyrnn.Sequential(front), pyrnn.GRU(2, 4, seed=1), batch_first=False)
    assert not front.batch_first and front[0].batch_first and front[0][1].batch_first
    assert_same_bits(model(x.swapaxes(0, 1)).swapaxes(0, 1), expected)


def test_summary():
    rows = documents().summary((N, T, W)).rows
    assert [(row.layer.split()[0], row.shape) for row in rows][:2] == [
        ("sentences", "(4, 5, 4)"),
        ("sentences.encoder.0.0", "(20, 6, 2)"),
    ]
    assert documents().summary().rows[0].shape == ""  # nothing says how many words a step has


def test_bad_input():
    tanh, x = pyrnn.Tanh(), np.zeros((2, 5, 3), np.float32)
    for make, text in (
        (lambda: pyrnn.TimeDistributed(tanh, tanh), "got 2 modules, expected one"),
        (lambda: pyrnn.TimeDistributed(), "no modules were given"),
        (lambda: pyrnn.TimeDistributed(pyrnn.Parallel(tanh)), "Parallel gives several outputs"),
        (
            lambda: pyrnn.TimeDistributed(pyrnn.GRU(3, 4, batch_first=False)),
            "GRU has batch_first=False, expected True",
        ),
        (lambda: pyrnn.TimeDistributed(encoder())(x), r"expected \(N, T, steps, ...\): Sequential"),
        (lambda: pyrnn.TimeDistributed(tanh)(x[0, 0]), r"x has shape \(3,\), expected \(N, T"),
        (lambda: pyrnn.TimeDistributed(tanh).run(x, (x,)), "state is of type tuple, expected None"),
        (lambda: pyrnn.TimeDistributed(tanh).vjp(x)[1](x[:1]), "dy has shape"),
    ):
        with pytest.raises(ValueError, match=text):
            make()

    class Sums(pyrnn.Module):
        def __call__(self, x):
            return x.sum(axis=0)

    with pytest.raises(ValueError, match=r"Sums gives .* for 10 steps, expected a row for each"):
        pyrnn.TimeDistributed(Sums())(x)
