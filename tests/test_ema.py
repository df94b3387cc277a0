"""Promise: EMA keeps an average of the weights, and lends it out without harm."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import optim


def model(dtype=np.float64):
    return pyrnn.Sequential(
        pyrnn.Linear(3, 4, seed=0, dtype=dtype), pyrnn.Linear(4, 2, dtype=dtype)
    )


def move(net, rng):
    for p in net.parameters():
        p[...] = rng.standard_normal(p.shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_average_follows_its_equation(dtype, rng):
    net = model(dtype)
    ema, expected = optim.EMA(net, decay=0.9), None
    for t in range(20):
        move(net, rng)
        ema.update()
        now = {name: p.data.astype(np.float64) for name, p in net.named_parameters()}
        expected = now if t == 0 else {n: 0.9 * expected[n] + 0.1 * w for n, w in now.items()}
    with ema.applied():
        for name, p in net.named_parameters():
            assert p.dtype == dtype
            error = np.abs(p.data - expected[name]).max()
            assert error <= 20 * np.finfo(dtype).eps * np.abs(expected[name]).max()


def test_applied_swaps_and_restores(rng):
    net = model()
    ema = optim.EMA(net.parameters(), decay=0.5)
    x = rng.standard_normal((2, 3))
    start, y_start = net.state_dict(), net(x)[0]
    ema.update()
    move(net, rng)
    moved, y_moved = net.state_dict(), net(x)[0]
    with ema.applied():
        assert_same_bits(net.state_dict(), start)
        assert_same_bits(net(x)[0], y_start)  # nothing packed is left over
        move(net, rng)  # lost
    assert_same_bits(net.state_dict(), moved)
    assert_same_bits(net(x)[0], y_moved)
    with ema.applied():
        assert_same_bits(net.state_dict(), start)
    with pytest.raises(KeyError), ema.applied():
        raise KeyError
    assert_same_bits(net.state_dict(), moved)


def test_refuses_what_would_mix_the_two():
    ema = optim.EMA(model())
    with ema.applied():
        with pytest.raises(RuntimeError, match="update"):
            ema.update()
        with pytest.raises(RuntimeError, match="applied"), ema.applied():
            pass
    ema.update()


def test_state_continues_where_it_stopped(rng):
    def run(interrupted):
        generator, net = np.random.default_rng(3), model()
        ema = optim.EMA(net, decay=0.9)
        for t in range(6):
            move(net, generator)
            ema.update()
            if interrupted and t == 3:
                state, ema = ema.state_dict(), optim.EMA(net, decay=0.1)
                ema.load_state_dict(state)
        return ema.state_dict()["averages"]

    assert_same_bits(run(interrupted=True), run(interrupted=False))


def test_bad_input():
    net = model()
    for decay in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="decay"):
            optim.EMA(net, decay=decay)
    with pytest.raises(TypeError, match="Parameter"):
        optim.EMA([np.zeros(3)])
    ema = optim.EMA(net)
    state = ema.state_dict()
    other = optim.EMA(pyrnn.Linear(3, 4)).state_dict()
    narrow = state | {"averages": {n: a.astype("f4") for n, a in state["averages"].items()}}
    for bad in ({}, other, narrow, state | {"updates": -1}, state | {"decay": 2}):
        with pytest.raises((TypeError, ValueError), match="EMA"):
            ema.load_state_dict(bad)
        assert_same_bits(ema.state_dict()["averages"], state["averages"])
