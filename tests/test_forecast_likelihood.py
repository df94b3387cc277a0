"""Promise: a likelihood gives forecasts, quantiles and paths of its distribution, in y's units."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators._forecasting.paths import Draws
from series import autoregression, forecaster, wave

stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
COUNTS = ["poisson", "negative_binomial"]
NAMES = ["normal", "student_t", *COUNTS]
each_likelihood = pytest.mark.parametrize("name", NAMES)
each_strategy = pytest.mark.parametrize("strategy", ["direct", "recursive"])


def drawn(name, steps, seed=0, scale=1.0):
    """Around a level that stays, in which only the distribution is to be learnt."""
    rng = np.random.default_rng(seed)
    if name == "poisson":
        return rng.poisson(20 * scale, steps).astype(float)
    if name == "negative_binomial":
        return rng.negative_binomial(4, 4 / (4 + 20 * scale), steps).astype(float)
    if name == "student_t":
        return scale * (50 + 3 * rng.standard_t(3, steps))
    return scale * (50 + 3 * rng.standard_normal(steps))


TRUE = {
    "normal": stats.norm(50, 3),
    "student_t": stats.t(3, 50, 3),
    "poisson": stats.poisson(20),
    "negative_binomial": stats.nbinom(4, 4 / 24),
}


def fitted(name, y, **options):
    given = {"horizon": 2, "lookback": 4, "epochs": 6, "hidden_size": 8, "relative": False}
    return forecaster(**given | {"likelihood": name} | options).fit(y)


@each_likelihood
@each_strategy
def test_quantiles_are_those_of_what_the_data_were_drawn_from(name, strategy):
    model = fitted(name, drawn(name, 2000), strategy=strategy)
    levels = [0.1, 0.5, 0.9]
    found = model.predict_quantiles(levels=levels)
    true = TRUE[name]
    assert_allclose(found, np.tile(true.ppf(levels), (2, 1)), atol=0.35 * true.std())
    assert_allclose(model.predict(), true.mean(), atol=0.25 * true.std())


@each_likelihood
def test_the_quantiles_hold_as_many_of_what_comes(name):
    y = drawn(name, 3000)
    model = fitted(name, y[:2000], quantiles=(0.1, 0.9))
    result = model.backtest(y, start=2000, level=0.8)
    lower, upper = np.moveaxis(model.predict_quantiles(), -1, 0)
    inside = np.mean((lower <= result.actual) & (result.actual <= upper))
    ends = TRUE[name].ppf([0.1, 0.9])
    held = TRUE[name].cdf(ends[1]) - TRUE[name].cdf(ends[0] - 1e-9)  # of counts more than 0.8
    assert inside == pytest.approx(held, abs=0.06)
    assert_allclose(result.coverage, 0.8, atol=0.05)


@each_likelihood
@each_strategy
def test_series_of_unlike_units_have_distributions_of_their_own(name, strategy):
    pairs = {"small": 0.2, "large": 50.0}
    many = {key: drawn(name, 800, scale=scale) for key, scale in pairs.items()}
    model = fitted(name, many, strategy=strategy, epochs=10)
    paths = model.sample(400)
    for key, y in many.items():
        assert paths[key].shape == (400, 2)
        assert np.median(paths[key]) == pytest.approx(np.median(y), rel=0.2)
        assert np.ptp(np.quantile(paths[key], [0.1, 0.9])) == pytest.approx(
            np.ptp(np.quantile(y, [0.1, 0.9])), rel=0.35
        )


@each_likelihood
def test_the_likelihoods_interval_lies_between_its_quantiles(name):
    model = fitted(name, drawn(name, 300), epochs=1)
    both = model.interval([0.5, 0.8], method="likelihood")
    for k, sides in enumerate(([0.25, 0.75], [0.1, 0.9])):
        assert_allclose(both[:, k], model.predict_quantiles(levels=sides))
    bare = fitted(name, drawn(name, 300), epochs=1, calibration=0)
    assert bare.interval(0.8, method="likelihood").shape == (2, 2)
    with pytest.raises(ValueError, match="y has 0 held-out windows"):
        bare.interval(0.8)


def test_conformal_intervals_follow_the_spread_that_the_likelihood_sees():
    """Where noise comes and goes with the season, they are wide and narrow with it."""
    t, rng = np.arange(1600), np.random.default_rng(0)
    size = np.where(t % 8 < 4, 0.2, 2.0)
    y = 10 + size * rng.standard_normal(len(t))
    known = np.stack([t % 8 < 4], axis=1).astype(float)
    model = forecaster(horizon=1, lookback=8, likelihood="normal", epochs=10, relative=False)
    model.fit(y[:1200], future=known[:1200])
    result = model.backtest(y, future=known, start=1200, level=0.9)
    assert result.coverage[0] == pytest.approx(0.9, abs=0.04)
    widths = [np.ptp(model.interval(0.9, future=[[loud]])) for loud in (1.0, 0.0)]
    assert widths[1] > 4 * widths[0]


@each_strategy
@each_likelihood
def test_paths_are_repeated_and_go_on(name, strategy):
    model = fitted(name, drawn(name, 300), epochs=1, strategy=strategy)
    before = pickle.dumps(model)
    first = model.sample(20)
    assert_array_equal(model.sample(20), first)
    assert (model.sample(20, random_state=1) != first).any()
    state = np.random.RandomState(0)
    one, other = model.sample(20, random_state=state), model.sample(20, random_state=state)
    assert (one != other).any()
    assert pickle.dumps(model) == before
    if strategy == "recursive":
        assert model.sample(5, 9).shape == (5, 9)
    if name in COUNTS:
        assert_array_equal(first, np.rint(first))
        assert (first >= 0).all()


def test_recursive_paths_spread_as_steps_follow():
    """Of a random walk, the deviation after k steps is that of one times sqrt(k)."""
    walk = np.random.default_rng(0).standard_normal(3000).cumsum()
    model = forecaster(likelihood="normal", strategy="recursive", horizon=1, epochs=5).fit(walk)
    spread = model.sample(1000, 9).std(axis=0)
    assert spread[0] == pytest.approx(1, rel=0.15)
    assert spread[8] == pytest.approx(3, rel=0.25)


@pytest.mark.parametrize("name", [None, "normal"])
def test_direct_paths_keep_what_goes_together(name):
    """Errors of an autoregression at neighbouring steps are alike, and so are those of paths."""
    y = autoregression(4000)
    model = forecaster(likelihood=name, epochs=6, calibration=0.5, relative=False).fit(y)
    paths = model.sample(2000)
    true = stats.pearsonr(*(model._fitted.residuals[0][:, k, 0] for k in (1, 2))).statistic
    assert true > 0.5
    assert np.corrcoef(paths[:, 1], paths[:, 2])[0, 1] == pytest.approx(true, abs=0.1)
    apart = forecaster(likelihood="normal", epochs=1, calibration=0).fit(y[:300]).sample(2000)
    assert abs(np.corrcoef(apart[:, 1], apart[:, 2])[0, 1]) < 0.1


def test_paths_without_a_likelihood_are_errors_around_the_forecast():
    model = forecaster(horizon=3).fit(autoregression(600))
    errors, paths = model._fitted.residuals[0][..., 0], model.sample(50) - model.predict()
    assert paths.shape == (50, 3)
    for path in paths:
        assert np.isclose(errors, path).all(axis=1).any()
    short = forecaster(horizon=3, epochs=1).fit({"a": wave(600), "b": 9 * wave(60)})
    assert short.sample(7)["b"].shape == (7, 3)


@each_likelihood
def test_missing_values_are_learnt_by_no_likelihood(name):
    y = drawn(name, 1500)
    y[np.random.default_rng(1).random(1500) < 0.2] = np.nan
    model = fitted(name, y)
    true = TRUE[name]
    assert_allclose(model.predict(), true.mean(), atol=0.3 * true.std())
    assert np.isfinite(model.interval([0.5, 0.9])).all() and np.isfinite(model.sample(9)).all()


def test_paths_are_made_of_whole_errors():
    """An origin after which a value is missing gives none; few are taken from all series."""
    rng = np.random.default_rng(0)
    many, few = rng.standard_normal((40, 3, 1)), 9 * rng.standard_normal((5, 3, 1))
    many[7, 2] = few[0, 1] = np.nan
    for i, (own, scale) in enumerate(((many, 1), (few, 9))):
        errors = Draws([many, few]).errors("y", i, 300, np.random.default_rng(1))
        levels = Draws([many, few]).levels(i, (300, 3, 1), np.random.default_rng(1))
        assert errors.shape == levels.shape == (300, 3, 1)
        assert np.isfinite(errors).all() and ((levels > 0) & (levels < 1)).all()
        assert 0.3 * scale < errors.std() < 3 * scale
        assert (np.abs(errors).max(axis=0) <= np.fmax.reduce(np.abs(own)) + 1e-9).all()
    with pytest.raises(ValueError, match="y has 1 held-out windows, expected at least 2"):
        Draws([many, few[:2]]).errors("y", 1, 3, rng)


@pytest.mark.parametrize("name", [None, "normal", "poisson"])
def test_paths_have_the_form_of_y(name):
    y = np.random.default_rng(0).poisson(9, (200, 2)).astype(float)
    model = forecaster(likelihood=name, epochs=1).fit([y, y[:150]])
    assert [paths.shape for paths in model.sample(6, 3)] == [(6, 3, 2)] * 2
    assert model.interval([0.5, 0.8])[0].shape == (4, 2, 2, 2)


BAD = [
    ({"likelihood": "best"}, wave(99), "likelihood is 'best'"),
    ({"likelihood": "poisson"}, {"a": wave(99)}, r"y\['a'\] is 10 .*step 0|y\['a'\] is 10.2"),
    (
        {"likelihood": "poisson"},
        [np.ones(99), -np.ones(99)],
        r"y\[1\] is -1 at step 0, expected co",
    ),
    (
        {"likelihood": "poisson", "transform": "log1p"},
        np.ones(99),
        "transform is 'log1p', expected",
    ),
    ({"likelihood": "normal", "strategy": "recursive", "quantiles": (0.1,)}, wave(99), "quantiles"),
]


@pytest.mark.parametrize(("options", "y", "words"), BAD, ids=range(len(BAD)))
def test_bad_fits(options, y, words):
    model = forecaster(epochs=1, **options)
    with pytest.raises(ValueError, match=f"Forecaster: .*({words})"):
        model.fit(y)
    assert set(vars(model)) == set(model.get_params())


def test_counts_are_asked_for_in_every_call():
    y = drawn("poisson", 100)
    model = fitted("poisson", {"shop": y}, epochs=1)
    half = {"shop": np.append(y[:9], 2.5)}
    for call in (model.update, model.backtest):
        words = r"y\['shop'\] is 2.5 at step 9, expected counts 0, 1, 2, ... with likelihood='pois"
        with pytest.raises(ValueError, match=words):
            call(half)


def test_what_counts_nothing_is_named_by_column_and_date():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    days = pandas.date_range("2024-01-01", periods=100, freq="D")
    table = pandas.DataFrame({"north": drawn("poisson", 100), "south": np.ones(100)}, index=days)
    table.iloc[40, 1] = -2.0
    for joint, name in ((False, r"y\['south'\] is -2"), (True, "y is -2 in column 'south'")):
        model = forecaster(likelihood="poisson", joint=joint)
        with pytest.raises(ValueError, match=f"{name} at 2024-02-10, expected counts 0, 1"):
            model.fit(table)
    with pytest.raises(ValueError, match="y is -2 in column 1 at step 40, expected numbers >= 0"):
        forecaster(positive=True).fit(table.to_numpy())


BAD_CALLS = [
    (lambda f: f.sample(0), "n is 0"),
    (lambda f: f.sample(9, 3), "horizon is 3, expected at most 2"),
    (lambda f: f.sample(random_state="a"), "random_state"),
    (lambda f: f.predict_quantiles(levels=[0.0]), "levels is 0.0, expected 0 < levels < 1"),
    (lambda f: f.predict_quantiles(), "quantiles was None in fit, and levels is None"),
    (lambda f: f.interval(0.9, method="best"), "method is 'best'"),
]


@pytest.mark.parametrize(("call", "words"), BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_bad_calls(call, words):
    model = fitted("normal", wave(100), epochs=1)
    with pytest.raises((TypeError, ValueError), match=f"Forecaster: {words}"):
        call(model)


def test_without_a_likelihood_what_needs_one_is_refused():
    model = forecaster(epochs=1, quantiles=(0.1, 0.9), calibration=0).fit(wave(100))
    assert model.predict_quantiles(levels=0.9).shape == (4, 1)
    for call, words in (
        (lambda: model.predict_quantiles(levels=[0.2]), r"levels are \(0.2,\), expected some of"),
        (lambda: model.interval(method="likelihood"), "method is 'likelihood', expected 'conf"),
        (lambda: model.sample(), "y has 0 held-out windows, expected at least 2: paths without"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
