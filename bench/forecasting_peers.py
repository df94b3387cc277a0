"""Forecaster, neuralforecast's GRU and darts' RNN models: errors and time of the same networks.

    make bench-forecasters     # installs the two in an environment of their own, then runs this

One recurrent layer of 32 units reads LOOKBACK steps, and a linear layer makes the forecasts of it;
each library sees every window of what is known EPOCHS times. What is no architecture is a library's
own default: scaling, loss, learning rate, batches. Darts' guide says to scale, which its models do
not: so its `Scaler` does. Time is the processor's, of one thread, for fitting and for forecasting
from all origins, without imports; by turns, each in a process of its own.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import pedestrians
from _shops import shops

EPOCHS, UNITS = 5, 32
MANY = 40_960  # steps, beyond which an epoch of Forecaster leaves out windows
DATA = {  # lookback, horizon, season, steps between origins, origins; what is known ahead
    "20 shops x 400 days": (56, 14, 7, 7, 16, ("promotion", "closed", "holiday")),
    "3 streets x 1,500 hours": (168, 24, 168, 24, 16, ()),
}


def load(name):
    """A long table of series without missing values: unique_id, ds, y and what is known ahead."""
    if "shops" in name:
        table = shops(days=400, first="2022-11-01").rename(
            columns={"shop": "unique_id", "day": "ds", "sold": "y"}
        )
    else:
        wide = pedestrians.load(pedestrians.QUEEN_STREET, "2023-02-01").iloc[:1500]
        table = wide.rename_axis("ds").reset_index().melt("ds", None, "unique_id", "y")
    table["y"] = table.groupby("unique_id")["y"].transform(lambda y: y.interpolate().bfill())
    return table[["unique_id", "ds", "y", *DATA[name][-1]]].reset_index(drop=True)


def pyrnn_alone(table, setting, cell, seed, strategy="direct"):
    """Forecaster, of which nothing but the network is left: all else is off."""
    off = {"skip": False, "calibration": 0, "early_stopping": False, "strategy": strategy}
    steps = 1 if strategy == "recursive" else setting[1]
    windows = windows_of(table, setting, setting[0] + steps)
    stride = max(windows * setting[0] // MANY, 1)
    return pyrnn_default(table, setting, cell, seed, epochs=EPOCHS * stride, **off)


def pyrnn_few(table, setting, cell, seed):
    """The network alone, after EPOCHS epochs of its own: of overlapping windows it has a part."""
    off = {"skip": False, "calibration": 0, "early_stopping": False, "epochs": EPOCHS}
    return pyrnn_default(table, setting, cell, seed, **off)


def pyrnn_recursive(table, setting, cell, seed):
    """The same, step by step."""
    return pyrnn_alone(table, setting, cell, seed, "recursive")


def pyrnn_default(table, setting, cell, seed, **options):
    """Forecaster with its linear part, early stopping, calibration and number of epochs."""
    from pyrnn.estimators import Forecaster

    lookback, horizon, _, stride, _, ahead = setting
    every = dict(list(table.groupby("unique_id")))
    y = {key: part["y"].to_numpy() for key, part in every.items()}
    future = {key: part[list(ahead)].to_numpy(float) for key, part in every.items()}
    future = future if ahead else None
    known = known_steps(table, setting)
    model = Forecaster(
        horizon=horizon,
        lookback=lookback,
        cell=cell,
        hidden_size=UNITS,
        random_state=seed,
        **options,
    )
    y_known, future_known = (
        part and {key: rows[:known] for key, rows in part.items()} for part in (y, future)
    )
    start = time.process_time()
    model.fit(y_known, future=future_known)
    result = model.backtest(y, future=future, start=known, stride=stride)
    return time.process_time() - start, result.forecasts


def neuralforecast(table, setting, cell, seed):
    """GRU or LSTM of neuralforecast, whose decoder is one layer."""
    from neuralforecast import NeuralForecast, models

    lookback, horizon, _, stride, origins, ahead = setting
    windows = windows_of(table, setting, lookback + horizon)
    model = getattr(models, cell.upper())(
        h=horizon,
        input_size=lookback,
        encoder_n_layers=1,
        encoder_hidden_size=UNITS,
        decoder_layers=1,
        futr_exog_list=list(ahead) or None,
        max_steps=EPOCHS * windows // 128,  # of its own `windows_batch_size`
        random_seed=seed,
        **QUIET,
    )
    every = NeuralForecast(models=[model], freq=pd.infer_freq(table["ds"].iloc[:20]))
    start = time.process_time()
    rows = every.cross_validation(table, n_windows=origins, step_size=stride)
    seconds = time.process_time() - start
    made = rows.sort_values(["unique_id", "cutoff", "ds"]).groupby("unique_id")[cell.upper()]
    return seconds, {key: part.to_numpy().reshape(origins, horizon) for key, part in made}


def darts_block(table, setting, cell, seed):
    """darts' BlockRNNModel: all steps at once."""
    from darts.models import BlockRNNModel

    options = {"output_chunk_length": setting[1], "model": cell.upper(), "n_rnn_layers": 1}
    return _darts(BlockRNNModel, table, setting, seed, options)


def darts_recursive(table, setting, cell, seed):
    """darts' RNNModel: each step from the one before."""
    from darts.models import RNNModel

    options = {"training_length": setting[0] + setting[1], "model": cell.upper()}
    return _darts(RNNModel, table, setting, seed, options | {"n_rnn_layers": 1})


def _darts(kind, table, setting, seed, options):
    """A model of darts, whose series are scaled to 0 to 1, as its guide does."""
    from darts import TimeSeries
    from darts.dataprocessing.transformers import Scaler

    lookback, horizon, _, stride, _, ahead = setting
    keys, columns = ["unique_id", "ds"], list(ahead)
    series, future = (
        [one.astype(np.float32) for one in TimeSeries.from_group_dataframe(table, *keys, names)]
        for names in ("y", columns or "y")
    )
    names = [one.static_covariates["unique_id"].iloc[0] for one in series]
    series = [one.with_static_covariates(None) for one in series]  # names teach nothing
    future = future if columns else None
    known = known_steps(table, setting)
    options |= {"input_chunk_length": lookback, "hidden_dim": UNITS, "n_epochs": EPOCHS}
    model = kind(random_state=seed, pl_trainer_kwargs=QUIET, **options)
    start = time.process_time()
    scaler = Scaler()
    learnt = scaler.fit_transform([one[:known] for one in series])
    model.fit(learnt, future_covariates=future)
    made = model.historical_forecasts(
        scaler.transform(series),
        future_covariates=future,
        start=known,
        start_format="position",
        forecast_horizon=horizon,
        stride=stride,
        retrain=False,
        last_points_only=False,
    )
    rows = [
        scaler.inverse_transform(some, series_idx=[i] * len(some)) for i, some in enumerate(made)
    ]
    seconds = time.process_time() - start
    pairs = zip(names, rows, strict=True)
    return seconds, {key: np.stack([one.values()[:, 0] for one in some]) for key, some in pairs}


QUIET = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
}
CONTENDERS = {
    "pyrnn, the network alone": pyrnn_alone,
    "neuralforecast": neuralforecast,
    "darts BlockRNNModel": darts_block,
    "pyrnn, a part of the windows": pyrnn_few,
    "pyrnn, recursive": pyrnn_recursive,
    "darts RNNModel": darts_recursive,
    "pyrnn, its defaults": pyrnn_default,
}
RIVALS = {
    "neuralforecast": "pyrnn, the network alone",
    "darts BlockRNNModel": "pyrnn, the network alone",
    "darts RNNModel": "pyrnn, recursive",
}


def known_steps(table, setting):
    """How many steps of each series are known at the first origin."""
    _, horizon, _, stride, origins, _ = setting
    return int(table["unique_id"].value_counts().iloc[0]) - horizon - stride * (origins - 1)


def windows_of(table, setting, length):
    """How many windows of some length all known steps have."""
    return table["unique_id"].nunique() * (known_steps(table, setting) - length + 1)


def one_run(name, contender, cell, seed):
    """{seconds, mase}: the mean over series of the error in units of the seasonal change."""
    table, setting = load(name), DATA[name]
    _, horizon, season, stride, origins, _ = setting
    seconds, made = CONTENDERS[contender](table, setting, cell, seed)
    errors, known = [], known_steps(table, setting)
    for key, part in table.groupby("unique_id"):
        y = part["y"].to_numpy()
        came = np.stack([y[known + i * stride :][:horizon] for i in range(origins)])
        unit = np.abs(y[season:known] - y[: known - season]).mean()
        errors.append(np.abs(np.asarray(made[key]).reshape(came.shape) - came).mean() / unit)
    return {"seconds": seconds, "mase": float(np.mean(errors))}


def in_a_process(name, contender, cell, seed):
    """What one_run gives in a process of its own."""
    command = [sys.executable, __file__, "--run", json.dumps([name, contender, cell, seed])]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.run(command, capture_output=True, text=True, env=env)
    if child.returncode:
        sys.exit(f"{contender}: {child.stderr[-3000:]}")
    return json.loads(child.stdout.splitlines()[-1])


def report(measured, args):
    """The tables as Markdown."""
    yield "# Forecaster beside neuralforecast and darts\n"
    yield f"`make bench-forecasters`: one {args.cell.upper()} layer of {UNITS} units,"
    yield f"{EPOCHS} epochs over all windows, {args.rounds} seeds. MASE is the mean of the"
    yield "seeds; seconds are the median of the processor's time for fitting and forecasting, one"
    yield "thread each; ratios are to pyrnn's network of the same kind, direct or recursive."
    for name, rows in measured.items():
        lookback, horizon, season, stride, origins, ahead = DATA[name]
        yield f"\n## {name}\n"
        yield f"{lookback} steps read, {horizon} forecast from {origins} origins, {stride} apart;"
        yield f"season {season}; known ahead: {', '.join(ahead) or 'nothing'}.\n"
        yield "| model | MASE | seconds | its MASE over pyrnn's | its time over pyrnn's |"
        yield "|---|---|---|---|---|"
        for contender, results in rows.items():
            mase, seconds = _figures(results)
            cells = [contender, f"{mase:.3f}", f"{seconds:.1f}", "", ""]
            if (own := RIVALS.get(contender)) is not None:
                ratios = mase / _figures(rows[own])[0], seconds / _figures(rows[own])[1]
                cells[3:] = [f"{ratios[0]:.2f}", f"{ratios[1]:.1f}"]
            yield f"| {' | '.join(cells)} |"


def _figures(results):
    """The mean MASE and the median time of runs."""
    mase = np.mean([one["mase"] for one in results])
    return mase, np.median([one["seconds"] for one in results])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="each with a seed of its own")
    parser.add_argument("--cell", choices=("gru", "lstm"), default="gru")
    parser.add_argument("--write", help="a file for the tables")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        print(json.dumps(one_run(*json.loads(args.run))))
        return
    measured = {name: {contender: [] for contender in CONTENDERS} for name in DATA}
    for seed in range(args.rounds):
        for name, rows in measured.items():
            for contender, results in rows.items():
                results.append(in_a_process(name, contender, args.cell, seed))
                print(name, contender, seed, results[-1], flush=True)
    text = "\n".join(report(measured, args))
    print(text)
    if args.write:
        Path(args.write).write_text(f"{text}\n")


if __name__ == "__main__":
    main()
