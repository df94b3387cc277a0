"""Promise: in windows of series with gaps, what is missing has no weight, and is flagged."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from compare import assert_same_bits
from pyrnn.estimators._forecasting.series import Series
from pyrnn.estimators._forecasting.windows import Cutter
from pyrnn.estimators._scaling import robust, standard

NAN = np.nan


def series(y, past=(), future=()):
    """A series of one column, with covariates of one column each."""
    columns = [np.array(part, float).reshape(-1, 1) for part in (y, past, future)]
    return Series(*(part if len(part) else np.zeros((len(y), 0)) for part in columns))


def cutter(lookback=3, steps=2, *, relative=True, flagged=((0,), (), ())):
    return Cutter(lookback, steps, direct=True, relative=relative, flagged=flagged)


def test_last_values_and_flags():
    """By hand: what the network reads at each step, y from the window's first value on."""
    y = series([1, 2, NAN, NAN, 5, 6, NAN])
    x, target, weight = cutter().training([y])
    assert x[:, :, 0].tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 3]]  # 1 2 2 | 2 2 2 | 2 2 5
    assert x[:, :, 1].tolist() == [[0, 0, 1], [0, 1, 1], [1, 1, 0]]
    # The next two steps, as changes from the present one: 2 NaN | NaN NaN | NaN 5 | 5 6 | 6 NaN
    steps = [[1, 0], [0, 0], [0, 3], [3, 4], [1, 0]]
    known = [[1, 0], [0, 0], [0, 1], [1, 1], [1, 0]]
    for i in range(3):
        assert target[i].tolist() == steps[i : i + 3] and weight[i].tolist() == known[i : i + 3]


def test_nothing_is_read_of_what_comes():
    """Before its first value, a series has no level: no target is a change from it."""
    _, target, weight = cutter().training([series([NAN, NAN, 100, 101, 102, 103])])
    assert weight[0].tolist() == [[0, 0], [0, 0], [1, 1]] and target[0, 2].tolist() == [1, 2]
    x = [cutter().training([series([NAN, NAN, v, v + 1, v + 2, v + 3])])[0] for v in (0, 100)]
    assert_same_bits(x[0], x[1])
    x, target, weight = cutter(relative=False).training([series([NAN, NAN, 3, 4, 5, 6])])
    assert x[0].tolist() == [[0, 1], [0, 1], [3, 0]]
    assert target[0, 0].tolist() == [0, 3] and weight[0].tolist() == [[0, 1], [1, 1], [1, 1]]


def test_covariates_are_flagged_at_their_own_steps():
    y = np.arange(6.0)
    both = series(y, [NAN, 1, NAN, 3, 4, 5], [0, 10, 20, NAN, 40, 50])
    x, _, weight = cutter(steps=1, flagged=((), (0,), (0,))).training([both])
    assert weight is None
    assert x[0].tolist() == [[0, 0, 1, 10, 0], [1, 1, 0, 20, 0], [2, 1, 1, 20, 1]]


def test_a_short_series_is_padded_behind():
    """Its window begins with it; the weights end with its targets."""
    short, whole = series([1, 2, 4, 8]), series(np.arange(9.0))
    x, target, weight = cutter(4).training([short, whole])
    assert x[0, :, 0].tolist() == [0, 1, 3, 0]
    assert target[0].tolist() == [[1, 3], [2, 6], [4, 0], [0, 0]]
    assert weight[0].tolist() == [[1, 1], [1, 1], [1, 0], [0, 0]] and weight[1:].all()
    assert cutter(4).before(short, np.array([3]))[0, :, 0].tolist() == [0, 1, 3]


def test_without_gaps_there_are_no_weights_and_windows_without_a_target_are_left_out():
    whole, gap = np.arange(12.0), np.arange(12.0)
    gap[2:11] = NAN
    x, target, weight = cutter().training([series(whole)])
    assert weight is None and len(x) == 8
    assert len(cutter().training([series(gap)])[0]) == 2 and np.isfinite(target).all()


@pytest.mark.parametrize("scaling", [standard, robust])
def test_scales_are_of_what_was_observed(scaling):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((50, 2)) * [1, 100]
    holes = rows.copy()
    holes[::3, 0], holes[5:20, 1] = NAN, NAN
    scale = scaling("y", holes)
    for k in (0, 1):
        alone = scaling("y", holes[~np.isnan(holes[:, k]), k][:, None])
        assert_same_bits([scale.center[k:][:1], scale.scale[k:][:1]], [alone.center, alone.scale])
