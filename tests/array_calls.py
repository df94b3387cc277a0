"""A call of everything public that takes arrays, for tests of what counts as an array.

`CALLS[name](a)` gives the results with every array passed through `a`.
"""

import numpy as np

import pyrnn
from pyrnn import losses, metrics, optim

rng = np.random.default_rng(0)
N, T, F, H = 3, 5, 4, 6
X, DY = (rng.standard_normal((N, T, size)).astype(np.float32) for size in (F, H))
STEP, ROW = X[:, 0].copy(), X[0, :, 0].copy()
LENGTHS = np.array([5, 2, 3])
MASK = np.arange(T) < LENGTHS[:, None]
RESETS = np.eye(N, T, 1) > 0
IDS = rng.integers(0, F, (N, T))
LOGITS, TAGS = X, IDS
H0 = rng.standard_normal((1, N, H)).astype(np.float32)
WEIGHT = np.array([1.0, 0.5, 2.0])
POSITIVE = np.abs(X)
SHARES = POSITIVE / POSITIVE.sum(axis=-1, keepdims=True)
RAGGED = [x[:n].copy() for x, n in zip(X, LENGTHS, strict=True)]


def of_recurrent(cls, states=1):
    """Everything that a recurrent layer takes."""

    def call(a):
        layer = cls(F, H, seed=0)
        state = tuple(a(H0 * (k + 1)) for k in range(states)) if states > 1 else a(H0)
        results = [layer(a(X), state, lengths=a(LENGTHS)), layer(a(X), mask=a(MASK))]
        results += [layer(a(X), resets=a(RESETS))]
        (y, last), pullback = layer.vjp(a(X), state, a(LENGTHS))
        results += [y, last, pullback(a(DY), state)]
        results += [[p.grad for p in layer.parameters()], layer.predict(a(X), a(LENGTHS))]
        stream = layer.stream(batch_size=N)
        stream.state = state
        results += [stream.step(a(STEP)), stream.step(a(STEP), resets=a(RESETS[:, 1]))]
        results += [stream.run(a(X)), stream.state]
        return [*results, layer(a(X[0])), layer.predict([a(x) for x in RAGGED])]

    return call


def of_layer(make, x=X, **given):
    """A layer of one input: called, trained and asked to predict."""

    def call(a):
        layer, options = make(), {name: a(value) for name, value in given.items()}
        y, pullback = layer.vjp(a(x), **options)
        dx = pullback(a(np.ones_like(y)))
        grads = [p.grad for p in layer.parameters()]
        return y, dx, grads, layer(a(x), **options), layer.predict(a(x))

    return call


def of_container(cls):
    """A module made of recurrent layers."""

    def call(a):
        parts = pyrnn.GRU(F, F, seed=0), pyrnn.Linear(F, F, seed=0)
        model = cls(*parts) if cls is not pyrnn.Residual else cls(parts[0])
        state = (a(H0[..., :F]),)
        output = model.run(a(X), state, lengths=a(LENGTHS))
        (y, last), pullback = model.vjp(a(X), state, a(LENGTHS))
        several = isinstance(y, tuple)
        dy = tuple(a(np.ones_like(each)) for each in y) if several else a(np.ones_like(y))
        grads = pullback(dy, state)
        results = [*output, y, last, grads, model(a(X), mask=a(MASK)), model(a(X))]
        if cls is pyrnn.Sequential:
            stream = model.stream(N)
            stream.state = state
            results += [stream.step(a(STEP)), stream.run(a(X))]
        if cls is not pyrnn.Parallel:  # several outputs, of which predict knows no steps
            results += [model.predict(a(X), a(LENGTHS))]
        return results

    return call


def of_time_distributed(a):
    model, x = pyrnn.TimeDistributed(pyrnn.LastStep()), np.stack([X, X * 2], axis=1)
    (y, _), pullback = model.vjp(a(x), lengths=a(np.array([2, 1, 2])))
    return y, pullback(a(np.ones_like(y))), model(a(x))


def of_loss(make, y=X, target=X, shape=None):
    """A loss with lengths, a mask and weights, and its pullback."""

    def call(a):
        loss = make()
        value, pullback = loss.vjp(a(y), a(target), a(LENGTHS), sample_weight=a(WEIGHT))
        found = loss(a(y), a(target), mask=a(MASK)), loss(a(y), a(target))
        given = y.shape, a(target), a(LENGTHS)
        counted = loss.count(*given), loss.counted(*given, sample_weight=a(WEIGHT))
        loss = type(loss)(reduction="none")
        each, of_each = loss.vjp(a(y), a(target), a(LENGTHS))
        return value, pullback(), found, counted, each, of_each(a(np.ones_like(each)))

    return call


def of_metric(make, y=X, target=X):
    def call(a):
        metric = make()
        metric.update(a(y), a(target), a(LENGTHS))
        metric.update(a(y), a(target), mask=a(MASK))
        return metric.value

    return call


def of_crf(a):
    crf = pyrnn.CRF(F, constraints=a(np.ones((F, F), bool)), seed=0)
    given = a(X), a(IDS), a(LENGTHS)
    value, pullback = crf.vjp(*given, sample_weight=a(WEIGHT))
    of_row = pyrnn.CRF(F, reduction="none", seed=0).vjp(*given)[1](a(WEIGHT))
    found = crf.decode(a(X), a(LENGTHS)), crf.marginals(a(X)), crf.log_likelihood(*given)
    return value, pullback(), crf(*given, sample_weight=a(WEIGHT)), of_row, found


def of_ctc(a):
    loss, labels = losses.CTC(), IDS[:, :2] % 3 + 1
    value, pullback = loss.vjp(a(X), a(labels), a(LENGTHS), target_lengths=a(np.array([2, 1, 1])))
    return value, pullback(), loss(a(X), [a(row[:1]) for row in labels])


def of_attention(a):
    attention = pyrnn.Attention(F, F, seed=0)
    given = a(X), a(X)
    (context, weights), pullback = attention.vjp(*given, a(LENGTHS))
    dx = pullback(a(np.ones_like(context)))
    return context, weights, dx, attention(*given, mask=a(MASK))


def of_attention_decoder(a):
    decoder = pyrnn.AttentionDecoder(F, H, F, seed=0)
    given = a(X), a(X)
    results = [decoder(*given, a(H0), memory_lengths=a(LENGTHS), lengths=a(LENGTHS))]
    (y, _), pullback = decoder.vjp(*given, memory_mask=a(MASK))
    return [*results, y, pullback(a(np.ones_like(y)))]


def of_seq2seq(a):
    model = pyrnn.Seq2Seq(F, 8, 4, H, seed=0)
    given, lengths = (a(IDS), a(IDS + 3)), {"lengths": a(LENGTHS), "target_lengths": a(LENGTHS)}
    y, pullback = model.vjp(*given, **lengths)
    dx = pullback(a(np.ones_like(y)))
    return y, dx, model(*given, **lengths), model.generate(a(IDS), a(LENGTHS), max_length=3)


def trainer(loss="mse", **options):
    model = pyrnn.Sequential(pyrnn.GRU(F, H, seed=0), pyrnn.Linear(H, F, seed=0))
    return pyrnn.Trainer(model, loss, "adam", seed=0, **options)


QUIET = {"epochs": 2, "batch_size": 2, "progress": False}


def of_trainer(a):
    results = []
    for given, options in (
        ((a(X), a(X)), {}),
        ((a(X), a(X)), {"lengths": a(LENGTHS), "sample_weight": a(WEIGHT)}),
        (((a(X), a(X), a(LENGTHS)),), {}),
        (([a(x) for x in RAGGED], [a(x) for x in RAGGED]), {}),
        ((pyrnn.SequenceDataset(a(X), a(X), a(LENGTHS), a(WEIGHT)),), {}),
    ):
        made = trainer(metrics=["mae"])
        history = made.fit(*given, validation=(a(X), a(X)), **options, **QUIET)
        results += [history.loss, history.val_loss, made.evaluate(*given, **options)]
    results += [made.predict(a(X), lengths=a(LENGTHS)), made.predict([a(x) for x in RAGGED])]
    classes = trainer("cross_entropy", metrics=["accuracy"])
    return [*results, classes.fit(a(X), a(TAGS), **QUIET).loss]


class Scaled(pyrnn.Module):
    def __init__(self):
        self.rnn, self.scale = pyrnn.GRU(F, F, seed=0), pyrnn.Parameter(np.ones(F, np.float32))

    def forward(self, x, factor, lengths=None):
        y, _ = self.rnn(x, lengths=lengths)
        return pyrnn.concat([y * self.scale * factor[:, None], y], axis=-1)


def of_forward(a):
    model = Scaled()
    given = a(X), a(STEP)
    y, pullback = model.vjp(*given, lengths=a(LENGTHS))
    results = [y, pullback(a(np.ones_like(y))), model(*given)]
    named = {"x": a(X), "factor": a(STEP)}
    made = pyrnn.Trainer(model, "mse", "sgd", seed=0)
    results += [made.fit(named, a(np.tile(X, 2)), lengths=a(LENGTHS), **QUIET).loss]
    return [*results, model.predict(named, a(LENGTHS))]


def of_parameter(a):
    p = pyrnn.Parameter(a(X))
    p[...] = a(X * 2)
    p[0, 1:3] = a(X[1, 1:3])
    whole = p.data.copy()
    p.grad = a(X)
    return whole, p.grad, p + a(X), p * a(X[0, 0])


def of_state_dict(a):
    layer = pyrnn.LSTM(F, H, seed=0)
    layer.load_state_dict({n: a(v) for n, v in pyrnn.LSTM(F, H, seed=1).state_dict().items()})
    return layer.state_dict()


def of_optimizer(a):
    model, optimizer, other = pyrnn.Linear(F, F, seed=0), optim.Adam(0.1), optim.Adam(0.1)
    optimizer.step(model)
    state = optimizer.state_dict()
    kept = {n: {key: a(v) for key, v in each.items()} for n, each in state["state"].items()}
    other.load_state_dict(state | {"state": kept})
    return other.state_dict()["state"]


def of_ema(a):
    ema = optim.EMA(pyrnn.Linear(F, F, seed=0))
    state = ema.state_dict()
    ema.load_state_dict(state | {"averages": {n: a(v + 1) for n, v in state["averages"].items()}})
    return ema.state_dict()["averages"]


def of_generate(a):
    model = pyrnn.Sequential(
        pyrnn.Embedding(F, F, seed=0), pyrnn.GRU(F, H, seed=0), pyrnn.Linear(H, F, seed=0)
    )
    prompts = a(IDS[0]), a(IDS), [a(IDS[0]), a(IDS[1, :2])]
    return [pyrnn.generate(model, prompt, 3, seed=0) for prompt in prompts]


RECURRENT = {
    "RNN": of_recurrent(pyrnn.RNN),
    "GRU": of_recurrent(pyrnn.GRU),
    "LSTM": of_recurrent(pyrnn.LSTM, states=2),
}


def traced(a):
    """A sequence's states and gradients, from a state and with a loss."""
    trace = pyrnn.trace(pyrnn.GRU(F, H, seed=0), a(X[:1]), a(H0[:, :1]), ("mse", a(DY[:1])))
    return [trace[0]["h"], trace[0]["z"], trace[0].dh]


CALLS = {
    **RECURRENT,
    "trace": traced,
    "Linear": of_layer(lambda: pyrnn.Linear(F, H, seed=0)),
    "Embedding": of_layer(lambda: pyrnn.Embedding(F, H, seed=0), IDS),
    "LayerNorm": of_layer(lambda: pyrnn.LayerNorm(F)),
    "Dropout": of_layer(lambda: pyrnn.Dropout(0.5, seed=0)),
    **{n: of_layer(getattr(pyrnn, n)) for n in ("Tanh", "ReLU", "Sigmoid", "Softmax", "Identity")},
    **{
        n: of_layer(getattr(pyrnn, n), lengths=LENGTHS)
        for n in ("LastStep", "MaxPool", "MeanPool", "SumPool")
    },
    **{
        n: of_container(getattr(pyrnn, n))
        for n in ("Sequential", "Parallel", "Concat", "Add", "Residual")
    },
    "TimeDistributed": of_time_distributed,
    "Attention": of_attention,
    "AttentionDecoder": of_attention_decoder,
    "Seq2Seq": of_seq2seq,
    "CRF": of_crf,
    "CTC": of_ctc,
    "CrossEntropy": of_loss(lambda: losses.CrossEntropy(), LOGITS, TAGS),
    "BCEWithLogits": of_loss(losses.BCEWithLogits, X, (X > 0).astype(np.float32)),
    **{f"losses.{n}": of_loss(getattr(losses, n)) for n in ("MSE", "MAE", "Huber", "SmoothL1")},
    "Quantile": of_loss(losses.Quantile, np.repeat(X, 3, axis=-1)),
    "GaussianNLL": of_loss(losses.GaussianNLL, np.repeat(X, 2, axis=-1)),
    "StudentTNLL": of_loss(losses.StudentTNLL, np.repeat(X, 3, axis=-1)),
    "PoissonNLL": of_loss(losses.PoissonNLL, X, np.abs(X)),
    "NegativeBinomialNLL": of_loss(losses.NegativeBinomialNLL, np.repeat(X, 2, axis=-1), np.abs(X)),
    **{n: of_metric(getattr(metrics, n), LOGITS, TAGS) for n in ("Accuracy", "Perplexity")},
    **{
        n: of_metric(lambda n=n: getattr(metrics, n)("macro"), LOGITS, TAGS)
        for n in ("F1", "Precision", "Recall", "AUC")
    },
    **{
        n: of_metric(lambda n=n: getattr(metrics, n)(["O", "B-a", "I-a", "B-b"]), LOGITS, TAGS)
        for n in ("EntityF1", "EntityPrecision", "EntityRecall")
    },
    "Confusion": of_metric(metrics.Confusion, LOGITS, TAGS),
    "flat": lambda a: metrics.flat(lambda x, y: float(np.abs(x - y).sum()))(a(X), a(2 * X)),
    **{
        f"metrics.{n}": of_metric(getattr(metrics, n)) for n in ("MAE", "MSE", "RMSE", "R2", "MASE")
    },
    "MASE of train": lambda a: metrics.MASE(train=a(X[..., 0])).value,
    "CrossEntropy of weight": lambda a: losses.CrossEntropy(weight=a(POSITIVE[0, 0]))(X, TAGS),
    "CrossEntropy of probabilities": lambda a: losses.CrossEntropy()(a(X), a(SHARES)),
    "Trainer": of_trainer,
    "Module": of_forward,
    "Parameter": of_parameter,
    "load_state_dict": of_state_dict,
    "Optimizer": of_optimizer,
    "EMA": of_ema,
    "generate": of_generate,
    "StoredDataset": lambda a: [
        [*pyrnn.StoredDataset(a(X), a(DY), lengths=a(LENGTHS), sample_weight=a(WEIGHT))[i]]
        for i in range(N)
    ],
    "Vocabulary": lambda a: pyrnn.Vocabulary(["a", "b"]).decode(a(np.array([1, 2]))),
    **{
        n: lambda a, n=n: getattr(pyrnn, n)(a(POSITIVE))
        for n in ("exp", "log", "tanh", "sigmoid", "stop_gradient")
    },
    **{n: lambda a, n=n: getattr(pyrnn, n)([a(X), a(X)], axis=-1) for n in ("concat", "stack")},
    "where": lambda a: pyrnn.where(a(X > 0), a(X), a(X * 2)),
    "broadcast_to": lambda a: pyrnn.broadcast_to(a(ROW), (2, T)),
    "ctc_greedy": lambda a: pyrnn.ctc_greedy(a(X), a(LENGTHS)),
    "ctc_beam": lambda a: pyrnn.ctc_beam(a(X), a(LENGTHS), beam_width=2),
}
