"""Promise: a row alone is a row in any batch, whoever wrote the part and beside whatever rows."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, metrics
from test_layouts import both_layouts
from test_mask import ALL, C, tagger
from training import make_trainer, padded


class Centred(pyrnn.Module):
    """A part of the user's own that takes no lengths: W (x - the mean over x's steps)."""

    def __init__(self):
        self.linear = pyrnn.Linear(3, 4, seed=0)

    def _centred(self, x):
        return x - x.mean(axis=int(self.batch_first and x.ndim == 3), keepdims=True)

    def __call__(self, x):
        return self.linear(self._centred(x))

    def vjp(self, x, *, need_dx=True):
        y, pullback = self.linear.vjp(self._centred(x))
        return y, lambda dy: self._centred(pullback(dy))


class BothEnds(pyrnn.Module):
    """One that takes the time axis away: the final states of both directions."""

    def __init__(self, says_so):
        self.rnn = pyrnn.GRU(4, 3, bidirectional=True, seed=1)
        if says_so:
            self.drops_time = True

    def __call__(self, x):
        return np.concatenate(list(self.rnn(x)[1]), axis=-1)

    def vjp(self, x, *, need_dx=True):
        (_, h), pullback = self.rnn.vjp(x, need_dx=need_dx)
        halves = np.s_[..., :3], np.s_[..., 3:]
        return np.concatenate(list(h), axis=-1), lambda dy: pullback(
            None, np.stack([dy[half] for half in halves])
        )[0]


def ragged(rng):
    return [rng.standard_normal((n, 3)).astype("f4") for n in (5, 2, 7, 2, 6)]


@both_layouts
@pytest.mark.parametrize("says_so", [True, False])
def test_a_part_that_takes_no_lengths_meets_no_padding(batch_first, says_so, rng):
    """Whatever it makes of the time axis: forward, backward, under lengths and under a mask."""
    parts = Centred(), pyrnn.Tanh(), BothEnds(says_so), pyrnn.Linear(6, 2, seed=2)
    model, rows = pyrnn.Sequential(*parts, batch_first=batch_first), ragged(rng)
    alone = [model(row) for row in rows]
    dy = rng.standard_normal((5, 2)).astype("f4")
    expected = {}
    dxs = []
    model.zero_grad()
    for row, d in zip(rows, dy, strict=True):
        _, pullback = model.vjp(row)
        dxs.append(pullback(d)[0])
    expected = {name: p.grad.copy() for name, p in model.named_parameters()}

    x, lengths = padded(rows)
    spread = np.full((5, 10, 3), np.nan, "f4")
    mask = rng.permuted(np.arange(10) < lengths[:, None], axis=1)
    spread[mask] = np.concatenate(rows)
    x[np.arange(7) >= lengths[:, None]] = np.nan
    for given, options in ((x.astype("f4"), {"lengths": lengths}), (spread, {"mask": mask})):
        real = options.get("mask", np.arange(7) < lengths[:, None])
        if not batch_first:
            given, options = given.swapaxes(0, 1), {k: v.T for k, v in options.items()}
        assert_same_bits(list(model(given, **options)), alone)
        model.zero_grad()
        (y, _), pullback = model.vjp(given, **options)
        assert_same_bits(list(y), alone)
        dx, _ = pullback(dy)
        dx = dx if batch_first else dx.swapaxes(0, 1)
        np.testing.assert_allclose(dx[real], np.concatenate(dxs), atol=1e-6)
        assert not dx[~real].any()
        for name, parameter in model.named_parameters():
            np.testing.assert_allclose(parameter.grad, expected[name], atol=1e-5, err_msg=name)


def test_a_module_of_ones_own_is_trained_and_measured_on_real_steps(rng):
    """Alone, without a Sequential that moves the steps."""
    model, x = Centred(), ragged(rng)
    target = [rng.standard_normal((len(row), 4)) for row in x]
    trainer = make_trainer(model, loss=losses.MSE(), metrics=[metrics.MAE()])
    trainer.fit((x, target), epochs=2, batch_size=3, progress=False)
    predicted = model.predict(x, batch_size=3)
    assert_same_bits(predicted, [model(row) for row in x])
    array, lengths = padded(x)
    for row, y, n in zip(trainer.predict(array, lengths), predicted, lengths, strict=True):
        assert_same_bits(row[:n], y)
        assert not row[n:].any()
    errors = np.concatenate(predicted) - np.concatenate(target)
    expected = np.square(errors).mean(), np.abs(errors).mean()
    assert list(trainer.evaluate((x, target), batch_size=2).values()) == pytest.approx(
        expected, rel=1e-5
    )


def test_stepwise_parts_run_on_all_steps_at_once():
    """They say that no step depends on others, and are called once for a ragged batch."""

    class Doubled(pyrnn.Module):
        def __init__(self):
            self.calls = 0

        def __call__(self, x):
            self.calls += 1
            return 2 * x

    model, x = pyrnn.Sequential(Doubled()), np.ones((3, 4, 2), "f4")
    expected = 2 * x * (np.arange(4) < np.array([[4], [1], [0]]))[..., None]
    for stepwise, calls in ((False, 2), (True, 1)):  # a row without steps has no outputs
        model[0].stepwise = stepwise
        assert_same_bits(model(x, lengths=[4, 1, 0]), expected.astype("f4"))
        assert model[0].calls == calls
        model[0].calls = 0


def test_rows_without_steps(rng):
    """They have no outputs per step; of a part that takes the time axis away they have one."""

    class OverLargest(pyrnn.Module):
        def __call__(self, x):
            return x / np.abs(x).max(axis=1, keepdims=True)  # which numpy has not of nothing

        def vjp(self, x, *, need_dx=True):
            return self(x), lambda dy: dy

    rows = [*ragged(rng), np.zeros((0, 3), "f4")]
    model = pyrnn.Sequential(OverLargest(), pyrnn.Linear(3, 2, seed=0))
    assert [len(y) for y in model.predict(rows)] == [5, 2, 7, 2, 6, 0]
    target = [np.zeros((len(row), 2)) for row in rows]
    make_trainer(model, loss=losses.MSE()).fit((rows, target), batch_size=6, progress=False)
    model = pyrnn.Sequential(pyrnn.Linear(3, 4, seed=0), BothEnds(says_so=False))
    assert_same_bits(list(model.predict(rows)), [model(row) for row in rows])


def test_outputs_that_do_not_belong_together_are_refused_by_name(rng):
    class Halved(pyrnn.Module):
        def __call__(self, x):
            return x[:, ::2]

    with pytest.raises(ValueError, match=r"Halved: the outputs have the shapes .* one entry for"):
        pyrnn.Sequential(Halved()).predict(ragged(rng))


@pytest.mark.parametrize("norm", [pyrnn.LayerNorm((7, 3)), pyrnn.LayerNorm(3, eps=0)])
def test_a_norm_that_padding_would_spoil(norm, rng):
    """One over steps too, and one of zeros, which have no deviation, without eps."""
    model, (x, lengths) = pyrnn.Sequential(norm, pyrnn.Linear(3, 2, seed=0)), padded(ragged(rng))
    if norm.eps:
        with pytest.raises(ValueError, match=r"LayerNorm: x has shape \(1, 6, 3\), expected"):
            model(x.astype("f4"), lengths=lengths)
        return
    (y, _), pullback = model.vjp(x.astype("f4"), lengths=lengths)
    pullback(np.ones_like(y))
    assert all(np.isfinite(parameter.grad).all() for parameter in model.parameters())


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_lengths_do_not_change_what_is_taken(dtype, rng):
    """A Sequential without weights takes both kinds of floats, and features of any shape."""
    model, x = pyrnn.Sequential(pyrnn.Tanh(), pyrnn.MeanPool()), rng.random((2, 3, 4)).astype(dtype)
    for options in ({}, {"lengths": [3, 2]}, {"mask": np.ones((2, 3), bool)}):
        assert model(x, **options).dtype == model(x[0].tolist()).astype(dtype).dtype == x.dtype
    frames = pyrnn.Sequential(pyrnn.ReLU())
    x = rng.standard_normal((2, 3, 4, 5)).astype(dtype)
    y = frames(x, lengths=[3, 1])
    assert_same_bits(y[0], np.maximum(x[0], 0))
    assert not y[1, 1:].any()
    ragged_frames = [x[0], x[1, :2]]
    assert [row.dtype for row in frames.predict(ragged_frames)] == [x.dtype] * 2


def test_neighbours_do_not_decide_what_is_taken():
    """A list is ragged also where its rows are equally long; empty rows have no dtype."""
    model = tagger()
    for rows in ([[1, 2], [3, 4]], [[1, 2], [3]], [[], [2, 3]], [[1]]):
        for given in (rows, pyrnn.SequenceDataset(rows)):
            y = model.predict(given)
            assert isinstance(y, list) and [len(row) for row in y] == [len(row) for row in rows]
    assert model.predict(np.array([[1, 2], [3, 4]])).shape == (2, 2, C)
    x = [[], [1, 2, 3], [4], []]
    trainer = make_trainer(model, loss=losses.CrossEntropy(), metrics=ALL)
    trainer.fit((x, x), validation=(x, x), batch_size=1, shuffle=False, progress=False)
    numbers = make_trainer(pyrnn.Sequential(pyrnn.Embedding(5, 2, seed=0)), loss=losses.MSE())
    numbers.fit((x, [np.ones((len(row), 2)) if row else [] for row in x]), progress=False)
    for batch_size in (1, 4):
        with pytest.raises(TypeError, match=r"target\[1\] has dtype bool, expected integers"):
            flags = [np.ones(len(row), bool if i == 1 else int) for i, row in enumerate(x)]
            trainer.fit((x, flags), batch_size=batch_size, progress=False)
    wide = [np.ones((2, 1), "f4"), np.full((1, 1), 1 / 3)]
    for rows in (wide, wide[::-1]):
        assert {row.dtype for row in pyrnn.Tanh().predict(rows)} == {np.dtype("f8")}


class Repeat(pyrnn.Module):
    """A part that makes the time axis: y (N, 4, F) of x (N, F)."""

    makes_time = True

    def __init__(self, steps=4):
        self.steps = steps

    def _axis(self, x):
        return x.ndim - 1 if self.batch_first else 0

    def __call__(self, x):
        return np.repeat(np.expand_dims(x, self._axis(x)), self.steps, self._axis(x))

    def vjp(self, x, *, need_dx=True):
        return self(x), lambda dy: dy.sum(axis=dy.ndim - 2 if self.batch_first else 0)


@both_layouts
@pytest.mark.parametrize("nested", [False, True])
def test_a_time_axis_may_be_taken_away_and_made_again(batch_first, nested, rng):
    """An autoencoder: what it makes has its own steps, which the lengths of x say nothing of."""
    front, back = (pyrnn.GRU(3, 5, seed=0), pyrnn.LastStep()), (Repeat(), pyrnn.GRU(5, 3, seed=1))
    parts = (pyrnn.Sequential(*front), pyrnn.Sequential(*back)) if nested else (*front, *back)
    model, rows = pyrnn.Sequential(*parts, batch_first=batch_first), ragged(rng)
    assert model.makes_time and not model.drops_time
    alone = [model(row) for row in rows]
    assert {y.shape for y in alone} == {(4, 3)}
    x, lengths = padded(rows)
    given = x if batch_first else x.swapaxes(0, 1)
    mask = np.arange(7) < lengths[:, None]
    for options in ({"lengths": lengths}, {"mask": mask if batch_first else mask.T}):
        y = model(given, **options)
        assert_same_bits(list(y if batch_first else y.swapaxes(0, 1)), alone)
        (y, _), pullback = model.vjp(given, **options)
        dx = pullback(np.ones_like(y))[0]
        assert not (dx if batch_first else dx.swapaxes(0, 1))[~mask].any()
    for data in ((rows,), (x, lengths)):
        predicted = model.predict(*data, batch_size=3)
        assert predicted.shape == (5, 4, 3)
        assert_same_bits(list(predicted), alone)
    trainer = make_trainer(model, loss=losses.MSE())
    trainer.fit((rows, np.zeros((5, 4, 3))), epochs=2, batch_size=2, progress=False)
    y = model.predict(rows)
    assert trainer.evaluate((rows, np.zeros((5, 4, 3))), batch_size=2)["loss"] == pytest.approx(
        float(np.square(y).mean()), rel=1e-5
    )
    dropped = pyrnn.Sequential(model, pyrnn.LastStep(), pyrnn.Linear(3, 2, seed=3))
    assert dropped.drops_time and not dropped.makes_time
    assert dropped.predict(rows).shape == (5, 2)
    with pytest.raises(ValueError, match="a Sequential in front has taken away"):
        pyrnn.Sequential(dropped, pyrnn.GRU(2, 2))


class TwoHalves(pyrnn.Module):
    """A part that takes the time axis away, and whose output has three axes all the same."""

    drops_time = True

    def __call__(self, x):
        axis = x.ndim - 2 if self.batch_first else 0
        total = x.sum(axis=axis)
        return np.stack([total, 2 * total], axis=x.ndim - 2)

    def vjp(self, x, *, need_dx=True):
        raise NotImplementedError


@both_layouts
@pytest.mark.parametrize("alone", [False, True])
def test_three_axes_without_time_are_not_cut_by_lengths(batch_first, alone, rng):
    part = TwoHalves()
    if alone and not batch_first:
        part.batch_first = False
    model = part if alone else pyrnn.Sequential(pyrnn.Tanh(), part, batch_first=batch_first)
    rows = [rng.standard_normal((n, 3)).astype("f4") for n in (1, 4, 2)]
    predicted = model.predict(rows)
    assert predicted.shape == (3, 2, 3)
    np.testing.assert_allclose(predicted, np.stack([model(row) for row in rows]), rtol=1e-6)


class Shifted(pyrnn.Module):
    """A part without weights that says a dtype."""

    stepwise = True
    dtype = np.dtype(np.float64)

    def __call__(self, x):
        assert x.dtype == np.float64
        return x + 1


def test_one_answer_to_the_dtype_of_x():
    for model in (
        Shifted(),
        pyrnn.Sequential(Shifted()),
        pyrnn.Sequential(pyrnn.Tanh(), Shifted()),
    ):
        assert model.input_dtype == np.float64
        x = [np.ones((3, 2), np.float32), np.ones((1, 2), np.float32)]
        assert [y.shape for y in model.predict(x)] == [(3, 2), (1, 2)]
        assert "Shifted" in str(model.summary((1, 3, 2)))
    wide = pyrnn.Sequential(pyrnn.GRU(2, 3, dtype=np.float64), Shifted())
    assert wide.input_dtype == wide.dtype == np.float64
    assert pyrnn.Sequential(pyrnn.Tanh()).input_dtype is None
    assert pyrnn.Linear(2, 3).input_dtype == np.float32
