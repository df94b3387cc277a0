"""Models and trainings of which files are kept in tests/data/saved, and what those files must give.

`tools/make_saved.py` wrote each folder there with the version of its day; test_saved.py reads all.
"""

import json
from pathlib import Path

import numpy as np

import pyrnn

SAVED = Path(__file__).parent / "data" / "saved"
IDS = [(np.arange(n) * (n + 2) // 3) % 6 for n in (5, 2, 7, 4, 3, 6, 1, 5, 7, 2)]
NUMBERS = [np.sin(np.arange(2 * n).reshape(n, 2) + n) for n in (4, 6, 3, 5, 6, 2, 4, 5)]


def every_layer():
    """Each recurrent layer with options of its own, and the layers between them."""
    return pyrnn.Sequential(
        pyrnn.Embedding(6, 3, seed=1),
        pyrnn.LSTM(3, 4, bidirectional=True, proj_size=2, dropout=0.2, num_layers=2, seed=2),
        pyrnn.LayerNorm(4),
        pyrnn.GRU(4, 3, reset_after=False, zoneout=0.1, seed=3),
        pyrnn.Dropout(0.3, seed=4),
        pyrnn.Tanh(),
        pyrnn.RNN(3, 4, nonlinearity="relu", seed=5),
        pyrnn.LastStep(),
        pyrnn.Linear(4, 3, seed=6),
        pyrnn.Softmax(),
    )


def pooled():
    """A normalised LSTM in float64, and a pool."""
    return pyrnn.Sequential(
        pyrnn.LSTM(2, 3, layer_norm=True, cell_clip=5.0, dtype=np.float64, seed=1),
        pyrnn.MeanPool(),
        pyrnn.Linear(3, 2, dtype=np.float64, seed=2),
    )


MODELS = {"every_layer": (every_layer, IDS), "pooled": (pooled, NUMBERS)}


def predictions(model, x):
    """The outputs for ragged x, one row per sample, whatever the model's layout is."""
    return pyrnn.Trainer(model, pyrnn.losses.MSE(), pyrnn.optim.SGD()).predict(x)


def classifier():
    return pyrnn.Sequential(
        pyrnn.Embedding(6, 3, seed=1),
        pyrnn.Dropout(0.2, seed=2),
        pyrnn.GRU(3, 4, seed=3),
        pyrnn.LastStep(),
        pyrnn.Linear(4, 6, seed=4),
    )


def averaged():
    """Adam, a cosine, averaged weights, a metric and early stopping, with a validation."""
    model, optimizer = classifier(), pyrnn.optim.Adam(1e-2)
    trainer = pyrnn.Trainer(
        model,
        pyrnn.losses.CrossEntropy(label_smoothing=0.1),
        optimizer,
        clip_norm=1.0,
        schedule=pyrnn.optim.Cosine(optimizer, 12),
        metrics=[pyrnn.metrics.Accuracy()],
        ema=pyrnn.optim.EMA(model, 0.5),
        seed=0,
    )
    data = IDS, np.array([ids[-1] for ids in IDS])
    early = pyrnn.EarlyStopping(patience=3)
    return trainer, data, {"validation": data, "callbacks": [early]}


def gathered():
    """Gradients gathered over three batches, SGD with groups, in the middle of an epoch."""
    model = classifier()
    groups = [{"params": model[4], "lr": 0.2}]
    optimizer = pyrnn.optim.SGD(0.1, momentum=0.9, nesterov=True, groups=groups)
    trainer = pyrnn.Trainer(
        model, pyrnn.losses.CrossEntropy(), optimizer, clip_value=0.5, accumulate=3, seed=0
    )
    return trainer, (IDS, np.array([len(ids) % 6 for ids in IDS])), {"checkpoint_every": 1}


def chunked():
    """Truncated BPTT with NAdam, a warm-up and a schedule that watches the loss."""
    model = pyrnn.Sequential(pyrnn.LSTM(2, 3, seed=1), pyrnn.Linear(3, 1, seed=2))
    optimizer = pyrnn.optim.NAdam(1e-2)
    plateau = pyrnn.optim.OnPlateau(optimizer, patience=1, factor=0.5)
    schedule = pyrnn.optim.Warmup(plateau, 2)
    trainer = pyrnn.Trainer(model, pyrnn.losses.Huber(), optimizer, schedule=schedule, seed=0)
    target = [x.cumsum(axis=0)[:, :1] for x in NUMBERS]
    return trainer, (NUMBERS, target), {"tbptt": 2, "checkpoint_every": 1}


def tagging():
    """A loss with parameters of its own."""
    model = pyrnn.Sequential(pyrnn.RNN(2, 3, seed=1), pyrnn.Linear(3, 3, seed=2))
    optimizer = pyrnn.optim.RMSprop(1e-2, momentum=0.5)
    trainer = pyrnn.Trainer(model, pyrnn.CRF(3, seed=3), optimizer, seed=0)
    return trainer, (NUMBERS, [np.arange(len(x)) % 3 for x in NUMBERS]), {}


def translating():
    """Targets of their own lengths."""
    model = pyrnn.Seq2Seq(6, 7, 2, 2, bidirectional=False, attention="dot", seed=1)
    trainer = pyrnn.Trainer(model, pyrnn.losses.CrossEntropy(), pyrnn.optim.Adagrad(0.1), seed=0)
    return trainer, (IDS, [3 + ids[::-1] % 4 for ids in IDS]), {}


def vocabulary():
    """Stored as the texts of its tokens."""
    return pyrnn.Vocabulary.build([["a", "b", "b"], ["c", "b", "a"]], specials=["<eos>"])


TRAININGS = {f.__name__: f for f in (averaged, gathered, chunked, tagging, translating)}
EPOCHS, STOPPED_AFTER, BATCH_SIZE = 4, 7, 2  # a checkpoint is of a training that 7 batches ended


def train(name, checkpoint=None, *, stop=None, resume=False):
    """The history of one training, which `stop` batches may end."""

    class Stop(pyrnn.Callback):
        left = stop

        def on_batch_end(self, trainer, loss):
            self.left = None if self.left is None else self.left - 1
            if self.left == 0:
                raise KeyboardInterrupt

    trainer, data, options = TRAININGS[name]()
    callbacks = [*options.pop("callbacks", ()), Stop()]
    if checkpoint is None:
        options.pop("checkpoint_every", None)
    options |= {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "progress": False}
    try:
        trainer.fit(data, callbacks=callbacks, checkpoint=checkpoint, resume=resume, **options)
    except KeyboardInterrupt:
        assert stop is not None
    return trainer.history


def expected(folder):
    """What the version that wrote a folder made of its files: {"predictions", "losses"}."""
    return json.loads((folder / "expected.json").read_text())
