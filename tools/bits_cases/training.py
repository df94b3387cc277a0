"""Cases of optimizers, schedules, the Trainer, Seq2Seq, first weights and estimators."""

import importlib.util

import numpy as np

import pyrnn

from .losses import criterion, example
from .setting import BOTH, DTYPES, TIME_MAJOR, B, H, I, T, TimeMajor, passes, ten_steps

ADAM = {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.02}
DECOUPLED = {"decoupled_weight_decay": True}
START = {"initial_accumulator_value": 0.5, "lr_decay": 0.1}
OPTIMIZERS = [
    ("SGD", {"lr": 0.2, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.02}),
    ("SGD", {"lr": 0.2, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.2, "weight_decay": 0.02, **DECOUPLED, "maximize": True}),
    ("Adam", {}),
    ("Adam", ADAM | {"amsgrad": True, **DECOUPLED, "maximize": True}),
    ("AdamW", ADAM | {"amsgrad": True, "maximize": True}),
    ("NAdam", ADAM | {"maximize": True}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.02, "weight_decay": 0.02, **DECOUPLED, "maximize": True}),
    ("Adagrad", {"lr": 0.1, "weight_decay": 0.02, **DECOUPLED, "maximize": True}),
    ("Adam", ADAM),
    ("AdamW", ADAM),
    ("NAdam", ADAM),
    ("NAdam", ADAM | {"momentum_decay": 0.1, "decoupled_weight_decay": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "eps": 1e-4, "momentum": 0.9, "weight_decay": 0.02}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "weight_decay": 0.02, "eps": 1e-4, **START}),
]


def falling(count):
    return 1 / (1 + count)


FALL = {"factor": 0.5, "patience": 1, "threshold": 0.9, "cooldown": 1, "min_factor": 0.3}
SCHEDULES = [
    ("Step", (3,), {"gamma": 0.5, "per": "step"}),
    ("Cosine", (8,), {"final": 0.1, "per": "epoch"}),
    ("OneCycle", (9,), {"pct_start": 0.4, "div_factor": 9.0, "final_div_factor": 99.0}),
    ("OneCycle", (9,), {"per": "epoch"}),
    ("OneCycle", (9,), {"three_phase": True, "anneal_strategy": "linear"}),
    ("MultiStep", ([2, 5],), {"gamma": 0.5, "per": "step"}),
    ("Exponential", (0.9,), {"per": "step"}),
    ("Polynomial", (8,), {"power": 1.5, "final": 0.1, "per": "epoch"}),
    ("Cyclic", (3,), {"step_size_down": 2, "mode": "triangular2", "div_factor": 3.0}),
    ("Cyclic", (3,), {"mode": "exp_range", "gamma": 0.9, "per": "epoch"}),
    ("WarmRestarts", (2,), {"growth": 2, "final": 0.1, "per": "epoch"}),
    ("WarmRestarts", (2,), {"final": 0.1, "gamma": 0.5}),
    ("Lambda", (), {"function": falling, "per": "epoch"}),
    ("Chain", ([4],), {}),
    ("OnPlateau", (), {"mode": "max", **FALL}),
    ("Warmup", (3,), {"start_factor": 0.2}),
]
TRAINERS = [  # the loss, options of the Trainer and of fit
    ("CrossEntropy", {}, {"shuffle": False}),
    ("CrossEntropy", {"clip_value": 0.01, "accumulate": 3}, {}),
    ("CrossEntropy", {"clip_norm": 0.05}, {"bucket": False}),
    ("CrossEntropy", {"schedule": "Cosine", "ema": 0.9}, {"tbptt": 11}),
    ("CrossEntropy", {"shards": 3}, {}),
    ("CTC", {}, {}),
    ("CRF", {}, {}),
]
POOLS = [("LastStep",), ("MaxPool",), ("MeanPool",), ("SumPool",)]
SEQ2SEQS = [
    {},
    {"cell": "lstm", "num_layers": 2, "dropout": 0.2, "attention": "multiplicative"},
    {"cell": "rnn_tanh", "attention": None, "bidirectional": False},
    {"attention": "dot", "bidirectional": False, "bos": 4, "eos": 4},
    {"scheduled_sampling": 0.5, "attention_size": 4},
    {"attention": "multiplicative", "attention_dropout": 0.3},
    {"feature_size": I, "attention": None},
]
INITIALISERS = [
    ("zeros", {}),
    ("ones", {}),
    ("uniform", {"bound": 0.3, "generator": 3}),
    ("normal", {"std": 2.0, "generator": 3}),
    ("glorot_uniform", {"gain": 2.0, "generator": 3}),
    ("glorot_normal", {"gain": 2.0, "generator": 3}),
    ("orthogonal", {"gain": 2.0, "blocks": 3, "generator": 3}),
]
DRAWN = [  # class and sizes
    *((name, I, H) for name in ("RNN", "LSTM", "GRU", "Linear", "Embedding", "Attention")),
    ("AttentionDecoder", I, H, H),
    ("Seq2Seq", I, I, H, H),
    ("CRF", I),
]
SEQUENCE_ESTIMATORS = [
    ("SequenceClassifier", {"pooling": "mean"}),
    ("SequenceRegressor", {"cell": "lstm"}),
    ("SequenceTagger", {"crf": True, "bidirectional": True}),
]


def small_problem(at):
    """A model, x and targets."""
    model = at.model(at.part("GRU", I, H, bidirectional=True), at.part("Linear", 2 * H, 4))
    return model, at.normal(T, B, I), at.normal(T, B, 4)


def optimizer(at, name, options):
    """One with these options, and one with a group of its own."""
    (model, *data), cls = small_problem(at), getattr(pyrnn.optim, name)
    mse, group = TimeMajor(pyrnn.losses.MSE), {"params": model[1], "lr": 0.3}
    plain = ten_steps(at, model, mse, cls(**options), *data)
    return plain, ten_steps(at, model, mse, cls(**options, groups=[group]), *data)


def schedule(at, name, args, options):
    """A schedule, both kinds of clipping, averaged weights."""
    (model, *data), sgd = small_problem(at), pyrnn.optim.SGD(0.5)
    inner = [pyrnn.optim.Cosine(sgd, 8), pyrnn.optim.Exponential(sgd, 0.9, per="step")]
    first = {"Warmup": inner[0], "Chain": inner}.get(name, sgd)
    made, ema = getattr(pyrnn.optim, name)(first, *args, **options), pyrnn.optim.EMA(model, 0.8)

    def after(value):
        norm = pyrnn.optim.clip_grad_norm(model, 0.1)
        pyrnn.optim.clip_grad_value(model, 0.02)
        ema.update()
        made.step(*([value] if made.needs_metric else []))
        return norm, sgd.lr

    trained = ten_steps(at, model, TimeMajor(pyrnn.losses.MSE), sgd, *data, after=after)
    return trained, ema.state_dict()


def fit(model, made, data, predicts=True, schedule=None, ema=None, fitting=(), **options):
    """A Trainer's history, weights, measures and predictions, for data with the sample first."""
    adam = pyrnn.optim.Adam(0.01)
    if schedule:
        options["schedule"] = getattr(pyrnn.optim, schedule)(adam, 9)
    if ema:
        options["ema"] = pyrnn.optim.EMA(model, ema)
    trainer = pyrnn.Trainer(model, made, adam, seed=1, **options)
    how = {"epochs": 2, "batch_size": 8, "progress": False}
    history = trainer.fit(data, validation=data, **how, **dict(fitting))
    measured = history.loss, history.val_loss, history.metrics, trainer.evaluate(data)
    predicted = trainer.predict(data[0], batch_size=8) if predicts else None
    return measured, predicted, model.state_dict()


def trainer(at, name, options, fitting):
    """A model of steps, trained on ragged samples; on equal ones for truncated BPTT."""
    at = at.one_order()
    x, (_, target) = at.normal(B, T, I), example(at, name)
    model = at.model(at.part("LSTM", I, H), at.part("Linear", H, 4))
    cls, given = criterion(at, name)
    if name == "CTC":
        return fit(model, cls(**given), (x, target), **options, fitting=fitting)
    lengths, target = at.lengths(least=1), target.T
    if "tbptt" not in fitting:
        x, target = ([row[:n] for row, n in zip(a, lengths, strict=True)] for a in (x, target))
    metrics = [pyrnn.metrics.F1("macro")]
    return fit(model, cls(**given), (x, target), **options, metrics=metrics, fitting=fitting)


def pooled_trainer(at, pool):
    """A model of whole sequences."""
    at = at.one_order()
    parts = at.part("Linear", I, I), at.part("ReLU"), at.part("RNN", I, H), at.part(pool)
    data = at.normal(B, T, I), at.ids(3, B), at.lengths(least=1)
    return fit(at.model(*parts, at.part("Linear", H, 3)), pyrnn.losses.CrossEntropy(), data)


def seq2seq(at, options):
    at, features = at.one_order(), "feature_size" in options
    model = at.alone("Seq2Seq", None if features else 11, 12, 6, H, **options)
    source = at.normal(B, I) if features else at.ids(11, T, B)
    kind = "n" if features else "s"
    lengths, target = None if features else at.lengths(least=1), 5 + at.ids(7, 8, B)
    kinds, given = (kind + "snn", "s", "n"), (source, target, lengths, at.lengths(8))
    results = [passes(at, model, kinds, *given)]
    ways = {"greedy": {}, "beam": {"length_penalty": 0.5}, "sample": {"seed": 3, "top_k": 5}}
    for method, way in ways.items():
        how = {"method": method, "max_length": 9, "suppress": 3, **way}
        results += [model.generate(*at.turn(kind, source), lengths, **how)]
    data = (source if features else list(source.T)), list(target.T)
    return results, fit(model, pyrnn.losses.CrossEntropy(), data, predicts=False)


def initialiser(at, name, options):
    parameter = at.part("GRU", I, H).weight_hh_l0
    getattr(pyrnn.init, name)(parameter, **options)
    return parameter.data


def forget_gate_bias(at):
    lstm = at.part("LSTM", I, H, num_layers=2)
    pyrnn.init.forget_gate_bias(lstm, 2.0)
    return lstm.state_dict()


def drawn(at, name, *sizes):
    """The weights that a constructor draws."""
    return getattr(pyrnn, name)(*sizes, dtype=at.dtype, seed=4).state_dict()


def sequence_estimator(at, name, options):
    from pyrnn import estimators

    x = [at.rng.standard_normal((n, I)) for n in at.lengths(least=3)]
    y = [at.ids(3, len(row)) for row in x] if "Tagger" in name else at.ids(3, B)
    made = getattr(estimators, name)(hidden_size=H, epochs=2, random_state=0, **options).fit(x, y)
    return made.predict(x), made.network_.state_dict()


def forecaster(at):
    from pyrnn import estimators

    made = estimators.Forecaster(horizon=3, hidden_size=H, epochs=2, random_state=0)
    made.fit(np.sin(np.arange(90.0)) + at.rng.standard_normal(90) / 9)
    return made.predict(), made.interval(), made.network_.state_dict()


TABLES = [
    (optimizer, OPTIMIZERS, DTYPES, TIME_MAJOR),
    (schedule, SCHEDULES, DTYPES, TIME_MAJOR),
    (trainer, TRAINERS, DTYPES[:1], BOTH),
    (pooled_trainer, POOLS, DTYPES[:1], BOTH),
    (seq2seq, [(options,) for options in SEQ2SEQS], DTYPES, BOTH),
    (initialiser, INITIALISERS, DTYPES, TIME_MAJOR),
    (forget_gate_bias, [()], DTYPES, TIME_MAJOR),
    (drawn, DRAWN, DTYPES, TIME_MAJOR),
]
if importlib.util.find_spec("sklearn"):
    TABLES += [
        (sequence_estimator, SEQUENCE_ESTIMATORS, DTYPES[:1], TIME_MAJOR),
        (forecaster, [()], DTYPES[:1], TIME_MAJOR),
    ]
