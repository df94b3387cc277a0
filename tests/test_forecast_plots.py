"""Promise: pictures show what was known, forecasts with their intervals, and what errors were."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from pyrnn.estimators import plot_backtest, plot_forecast
from series import autoregression, forecaster, wave


def line(axes, label):
    (found,) = (one for one in axes.lines if one.get_label() == label)
    return found


def drawn(axes, label):
    return line(axes, label).get_ydata()


def band(axes, label):
    """The corners of an interval."""
    (found,) = (one for one in axes.collections if one.get_label() == label)
    return found.get_paths()[0].vertices


@pytest.fixture(scope="module")
def many():
    return {f"shop {k}": autoregression(120, seed=k) for k in range(3)}


@pytest.fixture(scope="module")
def model(many):
    return forecaster(epochs=1).fit({name: y[:110] for name, y in many.items()})


def test_forecast(model, many, tmp_path):
    """Of each series what is known, the forecast from there on, intervals, and the truth."""
    path = tmp_path / "shops.png"
    known, truth = ({k: y[s] for k, y in many.items()} for s in (slice(80, 110), slice(110, 120)))
    figure = plot_forecast(model, known, truth=truth, levels=[0.5, 0.8], path=path)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in panels] == list(many)
    ends = {level: model.interval(level) for level in (0.5, 0.8)}
    for axes, (name, y) in zip(panels, many.items(), strict=True):
        assert_allclose(drawn(axes, "known"), y[80:110])
        assert line(axes, "known").get_xdata().tolist() == list(range(80, 110))
        assert_allclose(drawn(axes, "forecast"), [y[109], *model.predict()[name]])
        assert line(axes, "forecast").get_xdata().tolist() == list(range(109, 114))
        assert_allclose(drawn(axes, "what came"), y[110:114])
        for level, label in ((0.5, "50 % interval"), (0.8, "80 % interval")):
            corners = band(axes, label)
            assert corners[:, 1].min() == pytest.approx(ends[level][name].min())
            assert corners[:, 1].max() == pytest.approx(ends[level][name].max())
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        *["80 % interval", "50 % interval", "known", "forecast", "what came"]
    ]


def test_without_a_past_the_window_is_drawn():
    """And the intervals that the calibration is long enough for; without one, none."""
    y = np.stack([autoregression(100), wave(100)], axis=1)
    model = forecaster(epochs=1, lookback=10).fit(y)
    figure = plot_forecast(model)
    assert [axes.get_title("left") for axes in figure.axes] == ["column 0", "column 1"]
    for d, axes in enumerate(figure.axes):
        assert_allclose(drawn(axes, "known"), y[-10:, d])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["80 % interval", "50 % interval"]
    (axes,) = plot_forecast(forecaster(epochs=1, calibration=0).fit(y[:, 0])).axes
    assert len(axes.collections) == 0


def test_of_a_long_past_the_last_steps_are_drawn():
    """So that the forecasts can be seen; `history` says how many, or all."""
    y = autoregression(700)
    model = forecaster(epochs=1, lookback=10).fit(y)

    def known(**options):
        (axes,) = plot_forecast(model, y, **options).axes
        assert line(axes, "known").get_xdata()[-1] == 699
        return drawn(axes, "known")

    assert_allclose(known(), y[-30:])
    assert_allclose(known(history=50), y[-50:])
    assert_allclose(known(history="all"), y)
    for options, steps in (({"lookback": 45}, 45), ({"horizon": 20}, 80)):
        (axes,) = plot_forecast(forecaster(epochs=1, **options).fit(y), y).axes
        assert_allclose(drawn(axes, "known"), y[-steps:])
    for wrong, error in (("every", ValueError), (0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="plot_forecast: history"):
            plot_forecast(model, y, history=wrong)


def test_many_series(many):
    """Twenty panels, and a word of the others."""
    y = [autoregression(60, seed=k) for k in range(22)]
    figure = plot_forecast(forecaster(epochs=1).fit(y))
    assert len(figure.axes) == 20 and figure.get_suptitle() == "the first 20 of 22"


def test_steps_that_do_not_fit(model, many):
    early = {name: y[:100] for name, y in many.items()}
    with pytest.raises(ValueError, match=r"y\['shop 0'\] ends with .*, expected .*, the last step"):
        plot_forecast(model, early)
    with pytest.raises(ValueError, match="truth"):
        plot_forecast(model, truth={"shop 0": many["shop 0"]})
    with pytest.raises(ValueError, match=r"level is 1\.5"):
        plot_forecast(model, levels=[1.5])


def test_dates_of_tables():
    """On the axis, of a wide table too; and in the errors of steps that do not fit."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    dates = pandas.date_range("2024-01-01", periods=124, name="day")
    y = pandas.DataFrame({"north": autoregression(124), "south": wave(124)}, index=dates)
    model = forecaster(epochs=1, calendar=("weekday",)).fit(y[:120])
    figure = plot_forecast(model, y[100:120], truth=y[120:])
    for axes, name in zip(figure.axes, y, strict=True):
        assert axes.get_title("left") == name and axes.get_xlabel() == ""
        ahead = line(axes, "forecast").get_xdata()
        assert ahead.astype("M8[D]").tolist() == list(dates[119:124].date)
        assert_allclose(drawn(axes, "what came"), y[name][120:])
    with pytest.raises(ValueError, match=r"y\['north'\] ends with 2024-04-19, expected 2024-04-29"):
        plot_forecast(model, y[:110])
    with pytest.raises(ValueError, match=r"truth\['north'\] begins at 2024-05-01, expected"):
        plot_forecast(model, truth=y[121:])
    result = model.backtest(y, start=100)
    assert result.by_origin.index[0] == dates[99] and list(result.by_series.index) == list(y)
    north = forecaster(epochs=1).fit(y["north"])
    assert list(north.backtest(y["north"], start=100).by_series.index) == ["north"]
    assert [axes.get_title("left") for axes in plot_forecast(north).axes] == ["north"]


@pytest.mark.parametrize("level", [None, 0.8])
def test_backtest(model, many, level, tmp_path):
    result = model.backtest(many, start=90, season=4, level=level)
    figure = plot_backtest(result, tmp_path / "errors.svg")
    measures = ["mase"] if level is None else ["mase", "coverage"]
    assert len(figure.axes) == 2 * len(measures)
    for axes, measure in zip(figure.axes, measures, strict=False):
        assert_allclose(drawn(axes, "forecaster"), getattr(result, measure))
        for name, baseline in result.baselines.items():
            assert_allclose(drawn(axes, name), getattr(baseline, measure))
    below = figure.axes[len(measures)]
    assert [label.get_text() for label in below.get_yticklabels()] == list(many)
    assert_allclose(below.lines[0].get_xdata(), result.by_series["mase"])
    assert "svg" in (tmp_path / "errors.svg").read_text()[:500]


def test_backtest_of_one_series():
    y = autoregression(80)
    result = forecaster(epochs=1).fit(y).backtest(y, start=60)
    (axes,) = plot_backtest(result).axes
    assert axes.get_ylabel() == "MASE" and axes.get_xlabel() == "steps ahead"


def test_without_matplotlib(monkeypatch, model):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError) as raised:
        plot_forecast(model)
    assert raised.value.__notes__ == ["plot_forecast draws with matplotlib: pip install matplotlib"]
