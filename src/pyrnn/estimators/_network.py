"""The network of an estimator, its optimizer, and its training."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np
from joblib.parallel import get_active_backend

from .. import losses, optim
from .._base.checks import Array, check_choice, check_number, check_probability, check_size
from .._base.module import Module
from .._base.runtime import num_threads, threads
from .._base.words import class_of_word
from ..layers._dropout import Dropout
from ..layers._embedding import Embedding
from ..layers._linear import Linear
from ..layers._over_time import LastStep, MaxPool, MeanPool
from ..layers._recurrent import cells
from ..layers._sequential import Sequential
from ..losses import Loss
from ..losses._regression import DifferenceLoss
from ..training._early_stopping import EarlyStopping
from ..training._trainer import Trainer
from ._naming import naming

LEAST_RATE = 0.05  # of the learning rate, at the end of a training that anneals it


def build_network(
    spec: Any,
    inputs: int,
    outputs: int,
    *,
    pooling: str | None,
    seed: int,
    size: int | None = None,
) -> Any:
    """Recurrent layers, a pool if one vector is to be made of a sequence, and a linear layer.

    `spec` is the estimator, whose parameters say how; with `spec.embedding`, `inputs` is the number
    of ids. `size` is the hidden size, or None for that of `spec`.
    """
    owner, rng = type(spec).__name__, np.random.default_rng(seed)
    kinds = {cls.__name__.lower(): cls for cls in cells().values()}
    cell = kinds[check_choice(owner, "cell", spec.cell, tuple(kinds))]
    dropout = check_probability(owner, "dropout", spec.dropout)
    layers = check_size(owner, "num_layers", spec.num_layers)
    size = check_size(owner, "hidden_size", spec.hidden_size if size is None else size)
    bidirectional = bool(getattr(spec, "bidirectional", False))
    seeds = iter(rng.integers(2**31, size=4).tolist())
    parts: list[Module] = []
    if (vector := getattr(spec, "embedding", None)) is not None:
        parts.append(Embedding(inputs, vector, seed=next(seeds)))
        inputs = vector
    options = {"num_layers": layers, "bidirectional": bidirectional, "seed": next(seeds)}
    between = {"dropout": dropout} if layers > 1 else {}
    recurrent = cell(inputs, size, **options, **between)
    parts.append(recurrent)
    if pooling is not None:
        last = LastStep(bidirectional=bidirectional)
        pools: dict[str, Module] = {"last": last, "mean": MeanPool(), "max": MaxPool()}
        parts.append(pools[pooling])
    if dropout:
        parts.append(Dropout(dropout, seed=next(seeds)))
    features = recurrent.output_size * (1 + bidirectional)
    parts.append(Linear(features, outputs, seed=next(seeds)))
    return Sequential(*parts)


def make_trainer(
    spec: Any,
    network: Module,
    loss: Loss,
    seed: int,
    *,
    annealed: int | None = None,
    rates: Mapping[str, float] = MappingProxyType({}),
) -> Trainer:
    """Trains a network as the estimator's parameters say; with `annealed`, the learning rate falls
    over that many epochs. `rates` are shares of it for the parameters of some names."""
    owner = type(spec).__name__
    kind = class_of_word(owner, "optimizer", spec.optimizer, optim, optim.Optimizer)
    with naming(owner, "learning_rate"):
        optimizer = kind(spec.learning_rate)
        if rates:
            groups = {name: {"lr": share * optimizer.lr} for name, share in rates.items()}
            optimizer = kind(spec.learning_rate, groups=groups)
    schedule = None
    if annealed is not None:
        epochs = check_size(owner, "epochs", annealed)
        schedule = optim.Cosine(optimizer, epochs, final=LEAST_RATE, per="epoch")
    return Trainer(network, loss, optimizer, clip_norm=spec.clip_norm, schedule=schedule, seed=seed)


def read_loss(spec: Any) -> Loss:
    """The loss of numbers that the estimator's parameter names."""
    loss: Loss = class_of_word(type(spec).__name__, "loss", spec.loss, losses, DifferenceLoss)()
    return loss


def train(
    spec: Any, trainer: Trainer, data: Any, held_out: Any, epochs: int, *, from_start: bool = False
) -> int:
    """Trains for some epochs, with held-out data until the loss on them no longer falls; the number
    of epochs that were best. With `from_start` that may be none, and the weights as they were."""
    owner = type(spec).__name__
    patience = check_size(owner, "patience", spec.patience)
    best = EarlyStopping(patience=patience)
    stops, network = held_out is not None, trainer.model
    with inner_threads():
        before, weights = math.inf, {}
        if stops and from_start:
            before = trainer.evaluate(held_out, batch_size=spec.batch_size)["loss"]
            weights = network.state_dict()
        trainer.fit(
            data,
            validation=held_out,
            epochs=check_size(owner, "epochs", epochs),
            batch_size=check_size(owner, "batch_size", spec.batch_size),
            progress=spec.verbose,
            callbacks=[best] if stops else [],
        )
    if weights and before <= best.best_value:
        network.load_state_dict(weights)
        return 0
    return best.best_epoch if stops else epochs


def check_share(spec: Any) -> float:
    """The share of the data that decides when to stop."""
    owner = type(spec).__name__
    share = check_number(owner, "validation_fraction", spec.validation_fraction)
    if not 0 < share < 1:
        raise ValueError(f"{owner}: validation_fraction is {share}, expected 0 < share < 1")
    return share


@contextmanager
def inner_threads() -> Iterator[None]:
    """One thread inside joblib's workers, which share the cores among themselves."""
    backend, _ = get_active_backend()
    with threads(1 if backend.nesting_level else num_threads()):
        yield


def softmax(logits: Array) -> Array:
    """Probabilities (..., C), which sum to 1 in float64."""
    logits = logits.astype(np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
