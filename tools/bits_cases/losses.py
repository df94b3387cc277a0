"""Cases of losses and metrics."""

import numpy as np

import pyrnn

from .setting import DTYPES, TIME_MAJOR, B, T, TimeMajor, gradients, takes

ENTITIES = ["O", "B-a", "I-a", "B-b"]
LOSSES = [
    ("MSE", {}),
    ("MAE", {}),
    ("Huber", {"delta": 0.5}),
    ("SmoothL1", {"beta": 0.5}),
    *((name, {"reduction": "none"}) for name in ("MSE", "GaussianNLL", "BCEWithLogits")),
    ("Quantile", {"levels": (0.2, 0.7), "reduction": "none"}),
    *((name, {"reduction": "sum"}) for name in ("MAE", "Huber", "SmoothL1")),
    ("Quantile", {"levels": (0.2, 0.7)}),
    ("GaussianNLL", {}),
    ("GaussianNLL", {"full": True, "eps": 0.5}),
    ("StudentTNLL", {}),
    ("PoissonNLL", {"full": True}),
    ("PoissonNLL", {"log_input": False}),
    ("NegativeBinomialNLL", {"full": True}),
    ("StudentTNLL", {"eps": 0.5, "reduction": "sum"}),
    ("PoissonNLL", {"log_input": False, "eps": 0.5, "reduction": "none"}),
    ("NegativeBinomialNLL", {"eps": 0.5, "reduction": "none"}),
    ("CrossEntropy", {}),
    ("CrossEntropy", {"weight": [1, 2, 0.5, 3], "ignore_index": 1, "label_smoothing": 0.1}),
    ("BCEWithLogits", {}),
    ("CrossEntropy", {"reduction": "sum"}),
    ("BCEWithLogits", {"pos_weight": 2.5}),
    ("BCEWithLogits", {"weight": [1, 2, 0.5, 3]}),
    ("BCEWithLogits", {"label_smoothing": 0.1}),
    ("CTC", {}),
    ("CTC", {"blank": 3, "reduction": "sequence_mean", "zero_infinity": True}),
    ("CRF", {}),
    ("CRF", {"reduction": "none"}),
    ("CRF", {"reduction": "mean", "constraints": ~np.eye(4, dtype=bool)[::-1]}),
]
METRICS = [
    ("Accuracy", {"ignore_index": 1}),
    ("F1", {"average": "macro"}),
    ("F1", {"average": "micro", "ignore_index": 1}),
    *((name, {"positive": 2}) for name in ("F1", "Precision", "Recall")),
    ("Precision", {"average": "weighted", "ignore_index": 1}),
    ("Recall", {"average": None, "ignore_index": 1}),
    ("AUC", {}),
    ("AUC", {"average": "weighted", "ignore_index": 1}),
    *((name, {"tags": ENTITIES}) for name in ("EntityF1", "EntityPrecision", "EntityRecall")),
    *(
        (name, {"tags": ENTITIES, "average": "macro", "ignore_index": 1})
        for name in ("EntityF1", "EntityPrecision", "EntityRecall")
    ),
    ("Confusion", {}),
    ("Confusion", {"normalize": "true", "ignore_index": 1}),
    ("Perplexity", {"ignore_index": 1}),
    ("MSE", {}),
    ("R2", {}),
    ("RMSE", {}),
    ("MAE", {}),
    ("MASE", {"seasonality": 2}),
    ("MASE", {"train": [0.0, 1.0, 0.5, 2.0]}),
]


def criterion(at, name):
    """A loss's class, and what it is made of beside its options."""
    if name == "CRF":
        return pyrnn.CRF, {"num_tags": 4, "dtype": at.dtype, "seed": 0}
    return getattr(pyrnn.losses, name), {}


def example(at, name, classes=4):
    """y and a target for a loss or a metric of that name."""
    if name in ("Quantile", "GaussianNLL"):
        return at.normal(T, B, 2 * classes), at.normal(T, B, classes)
    if name == "StudentTNLL":
        return at.normal(T, B, 3 * classes), at.normal(T, B, classes)
    if name == "NegativeBinomialNLL":
        return at.normal(T, B, 2 * classes), abs(at.normal(T, B, classes))
    y = at.normal(T, B, classes)
    if name == "PoissonNLL":
        return abs(y), abs(at.normal(*y.shape))
    if name == "CTC":
        return y, [1 + at.ids(2, n) for n in at.lengths(5)]
    if name == "BCEWithLogits":
        return y, at.rng.random(y.shape).astype(at.dtype)
    if name in ("MSE", "MAE", "Huber", "SmoothL1", "RMSE", "R2", "MASE"):
        return y, at.normal(*y.shape)
    return y, at.ids(2 if name == "CRF" else classes, T, B)  # which no constraint forbids


def loss(at, name, options):
    (cls, given), (y, target) = criterion(at, name), example(at, name)
    made = TimeMajor(cls, **given, **options)
    lengths = at.lengths(least=12 if name == "CTC" else 0)
    results = [
        (made.call("__call__", y, target, n), made.vjp(y, target, n)) for n in (None, lengths)
    ]
    if name == "CRF":
        results += [made.made.state_dict(), gradients(made.made), made.call("decode", y, lengths)]
        results += [made.call("log_likelihood", y, target, lengths)]
        results += [made.call("marginals", y, lengths)]
    return results


def ctc_decoders(at):
    order = {"batch_first": True} if takes(pyrnn.ctc_beam, "batch_first") else {}
    given = at.normal(T, B, 4).swapaxes(0, 1), at.lengths()
    beam = pyrnn.ctc_beam(*given, beam_width=3, blank=2, **order)
    return pyrnn.ctc_greedy(*given, **order), beam


def metric(at, name, options):
    made, values = TimeMajor(getattr(pyrnn.metrics, name), **options), []
    for lengths in (None, at.lengths()):
        made.call("update", *example(at, name), lengths)
        values += [made.made.value]
    return values


TABLES = [
    (loss, LOSSES, DTYPES, TIME_MAJOR),
    (ctc_decoders, [()], DTYPES, TIME_MAJOR),
    (metric, METRICS, DTYPES, TIME_MAJOR),
]
