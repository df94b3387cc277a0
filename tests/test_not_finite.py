"""Promise: NaN and infinity do not pass by, into weights, checkpoints or learning rates."""

import math

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import optim


class Silent(pyrnn.losses.MSE):
    """A loss of 1 with a gradient that is not finite."""

    def vjp(self, y, target, lengths=None):
        return 1.0, lambda dloss=1.0: np.full(y.shape, np.inf, y.dtype)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, optim.RMSprop, optim.NAdam])
@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"clip_norm": 1.0}, {"clip_value": 1}])
def test_a_gradient_that_is_not_finite_changes_nothing(optimizer, options, tmp_path):
    """Whatever the clipping: weights, optimizer and the last checkpoint are as before."""
    path, data = tmp_path / "checkpoint", (np.ones((8, 3, 2)), np.ones((8, 1)))
    model = pyrnn.Sequential(pyrnn.GRU(2, 3, seed=0), pyrnn.LastStep(), pyrnn.Linear(3, 1, seed=0))
    trainer = pyrnn.Trainer(model, pyrnn.losses.MSE(), optimizer(1e-3), seed=0, **options)
    trainer.fit(data, batch_size=4, progress=False, checkpoint=path)
    before, stored = model.state_dict(), path.read_bytes()
    trainer._objective.loss.__class__ = Silent
    with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError, match="gradient of '0"):
        trainer.fit(data, batch_size=4, progress=False, checkpoint=path)
    assert_same_bits(model.state_dict(), before)
    assert path.read_bytes() == stored and len(trainer.history) == 1
    assert set(trainer.optimizer.state_dict()["steps"].values()) == {
        2 // trainer._updates.accumulate
    }


def overshooting(lr):
    """Finite gradients, and a step that no float32 can hold."""
    model = pyrnn.Sequential(pyrnn.Linear(2, 1, bias=False, seed=0))
    return pyrnn.Trainer(model, pyrnn.losses.MAE(), optim.SGD(lr), seed=0)


@pytest.mark.parametrize("every", [None, 1])
def test_weights_that_are_not_finite_reach_no_checkpoint(every, tmp_path):
    """The step of the last batch, which no later loss would tell of; and one within an epoch."""
    path, x = tmp_path / "checkpoint", np.full((4, 2), 1e5)
    overshooting(1e-3).fit((x, x[:, :1]), batch_size=4, progress=False, checkpoint=path)
    stored, trainer = path.read_bytes(), overshooting(3e38)
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"0.weight.*not finite"),
    ):
        trainer.fit(
            (x, -x[:, :1]), batch_size=4 if every is None else 2, progress=False,
            checkpoint=path, checkpoint_every=every,
        )  # fmt: skip
    assert path.read_bytes() == stored and not trainer.history.loss


def test_an_optimizer_that_is_not_finite_reaches_no_checkpoint(tmp_path):
    """A finite gradient whose square is infinite in float32: Adam would never move again."""
    path, x = tmp_path / "checkpoint", np.full((4, 2), 1e25)
    model = pyrnn.Sequential(pyrnn.Linear(2, 1, bias=False, seed=0))
    trainer = pyrnn.Trainer(model, pyrnn.losses.MAE(), optim.Adam(), seed=0)
    with pytest.raises(FloatingPointError, match=r"exp_avg_sq.*not finite"):
        trainer.fit((x, -x[:, :1]), progress=False, checkpoint=path)
    assert not path.exists()


EXTREMES = [
    (np.float64, (1e200, -3e200, 1.0)), (np.float64, (1e308, 1.7e308, -1e308)),
    (np.float64, (3e-200, 4e-200, 0.0)), (np.float64, (5e-324, 0.0, 0.0)),
    (np.float32, (3e38, -3e38, 1e-30)), (np.float32, (1e38, 0.0, 0.0)),
    (np.float32, (1e-40, 0.0, 0.0)),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "values"), EXTREMES)
@pytest.mark.parametrize("max_norm", [1.0, 1e-20, 1e30, math.inf])
def test_clip_norm_of_extreme_gradients(dtype, values, max_norm):
    """Two parameters; the norm in exact arithmetic, and after clipping max_norm at most."""
    parameters = [pyrnn.Parameter(np.zeros(2, dtype)), pyrnn.Parameter(np.zeros(1, dtype))]
    parameters[0].grad, parameters[1].grad = (
        np.array(values[:2], dtype),
        np.array(values[2:], dtype),
    )
    given = np.concatenate([p.grad for p in parameters]).astype(np.longdouble)
    exact = np.sqrt((given**2).sum())
    norm = optim.clip_grad_norm(parameters, max_norm)
    assert norm == (math.inf if exact > np.finfo(float).max else pytest.approx(float(exact), 1e-7))
    clipped = np.concatenate([p.grad for p in parameters]).astype(np.longdouble)
    expected = given * min(
        np.longdouble(1), np.longdouble(max_norm) / (exact + np.longdouble(1e-6))
    )
    np.testing.assert_allclose(clipped, expected, rtol=1e-5, atol=float(np.finfo(dtype).tiny))


def test_clip_value_of_large_gradients():
    for dtype, large in ((np.float64, 1e300), (np.float32, 3e38)):
        parameter = pyrnn.Parameter(np.zeros(3, dtype))
        parameter.grad = np.array([large, -large, 0.25], dtype)
        optim.clip_grad_value([parameter], 0.5)
        assert parameter.grad.tolist() == [0.5, -0.5, 0.25]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000, 100_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_place_is_looked_at(dtype, size, value):
    parameter = pyrnn.Parameter(np.zeros(size, dtype))
    for place in {0, size // 2, size - 1}:
        parameter.grad[...] = np.finfo(dtype).max
        optim.clip_grad_value([parameter], 1.0)
        parameter.grad[place] = value
        with pytest.raises(FloatingPointError, match="not finite"):
            optim.clip_grad_value([parameter], 1.0)
        with pytest.raises(FloatingPointError, match="not finite"):
            optim.clip_grad_norm([parameter], 1.0)


DIVIDING = [optim.Adam, optim.AdamW, optim.NAdam, optim.RMSprop, optim.Adagrad]


@pytest.mark.parametrize("cls", DIVIDING)
@pytest.mark.parametrize(("dtype", "eps"), [(np.float32, 1e-46), (np.float32, 1e-40), (float, 0)])
def test_an_eps_that_would_divide_by_zero_is_refused(cls, dtype, eps):
    parameter, optimizer = pyrnn.Parameter(np.ones(3, dtype)), cls(eps=eps)
    with pytest.raises(ValueError, match=rf"{cls.__name__}: eps is .*, which is 0 in float"):
        optimizer.step([parameter])
    assert (parameter.data == 1).all() and not optimizer.state_dict()["steps"]
    optimizer = cls(eps=float(np.finfo(dtype).tiny))
    optimizer.step([parameter])
    assert (parameter.data == 1).all() or cls is optim.AdamW
    assert np.isfinite(parameter.data).all()


def test_adagrad_that_starts_above_zero_needs_no_eps():
    parameter = pyrnn.Parameter(np.ones(3))
    optim.Adagrad(eps=0.0, initial_accumulator_value=0.1).step([parameter])
    assert (parameter.data == 1).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_plateau_after_infinities(sign):
    """As torch's, whose best begins at the worst infinity: an infinite first metric is waited for,
    a finite one after it is better, and from the best infinity nothing is."""
    optimizer = optim.SGD(1.0)
    mode = "min" if sign == 1 else "max"
    schedule = optim.OnPlateau(optimizer, mode=mode, patience=1, factor=0.5)
    rates = []
    for metric in (math.inf, math.nan, 8.0, 7.0, -math.inf, 1.0, -math.inf):
        schedule.step(sign * metric)
        rates.append(optimizer.lr)
    assert rates == [1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25]
