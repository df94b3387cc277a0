"""Random models of Keras' for the comparison with it: layers, masks, directions, outputs."""

import keras
import numpy as np
from keras import layers as L

CELLS = {"SimpleRNN": L.SimpleRNNCell, "LSTM": L.LSTMCell, "GRU": L.GRUCell}
MERGES = ("concat", "sum", "mul", "ave", None)
N, T, F, IDS = 3, 6, 4, 9


def chance(rng, probability):
    return bool(rng.random() < probability)


def options(rng, kind, drops):
    """What a cell is made with."""
    given = {"use_bias": chance(rng, 0.8)}
    if kind == "SimpleRNN":
        given["activation"] = str(rng.choice(["tanh", "relu", "sigmoid", "linear"]))
    if kind == "GRU":
        given["reset_after"] = chance(rng, 0.6)
    if kind == "LSTM":
        given["unit_forget_bias"] = chance(rng, 0.5)
    if chance(rng, 0.2) and drops:
        given |= {"dropout": 0.3, "recurrent_dropout": 0.2}
    return given


def recurrent(rng, sequences, backwards=None, stacked=True, drops=True, **own):
    """A layer of one direction."""
    kind = str(rng.choice(list(CELLS)))
    given = {"return_sequences": sequences, "unroll": False} | own
    given["go_backwards"] = chance(rng, 0.3) if backwards is None else backwards
    form = rng.integers(3 if stacked else 2)
    if form == 0:
        given["zero_output_for_mask"] = chance(rng, 0.3)
        return getattr(L, kind)(int(rng.integers(1, 7)), **options(rng, kind, drops), **given)
    kinds = (
        [kind] if form == 1 else [str(rng.choice(list(CELLS))) for _ in range(rng.integers(2, 4))]
    )
    cells = [CELLS[k](int(rng.integers(1, 6)), **options(rng, k, drops)) for k in kinds]
    return L.RNN(cells if form == 2 else cells[0], **given)


def bidirectional(rng, sequences, several, **own):
    """A layer of both."""
    merge = MERGES[rng.integers(5 if several else 4)]
    layer = recurrent(rng, sequences, backwards=False, **own)
    stacked = hasattr(getattr(layer, "cell", None), "cells") and len(layer.cell.cells) > 1
    merge = "concat" if stacked and merge not in ("concat", "sum") else merge
    other = own.get("stacked", True) and not (stacked or own.get("return_state"))
    other = other and merge in ("concat", "sum")
    if other and chance(rng, 0.3):  # another layer reads back
        kind = str(rng.choice(list(CELLS)))
        names = ("return_sequences", "return_state", "stateful")
        alike = {name: getattr(layer, name) for name in names}
        other = getattr(L, kind)(layer.cell.units, go_backwards=True, **alike)
        return L.Bidirectional(layer, merge_mode=merge, backward_layer=other)
    return L.Bidirectional(layer, merge_mode=merge)


def any_recurrent(rng, sequences, several=False, **own):
    if chance(rng, 0.35):
        return bidirectional(rng, sequences, several, **own)
    return recurrent(rng, sequences, **own)


def stepwise(rng, masked, nested=True, drops=True):
    """A layer that works on each step by itself."""
    made = [
        lambda: L.Dense(3, activation=str(rng.choice(["linear", "tanh", "relu", "sigmoid"]))),
        lambda: L.Dense(2, activation="softmax", use_bias=False),
        lambda: L.TimeDistributed(L.Dense(3)),
        lambda: L.LayerNormalization(
            center=(center := chance(rng, 0.6)), scale=not center or chance(rng, 0.7)
        ),
        lambda: L.Activation(str(rng.choice(["tanh", "relu", "sigmoid", "softmax", "linear"]))),
        lambda: L.ReLU(),
    ]
    if drops:
        made += [lambda: L.Dropout(0.3), lambda: L.SpatialDropout1D(0.3)]
    if nested:
        made.append(lambda: keras.Sequential([L.Dense(3), L.Activation("tanh")]))
        made.append(lambda: L.TimeDistributed(keras.Sequential([L.Dense(2), L.ReLU()])))
    made += [] if masked else [L.Softmax]
    return made[rng.integers(len(made))]()


def random_layers(rng, stateful=False, nested=True, drops=True, **own):
    """(the input's layer, layers one after the other, whether steps may be masked)."""
    ids, masked = chance(rng, 0.4), chance(rng, 0.6)
    front = L.Input(batch_shape=(N, T) + (() if ids else (F,)))
    made = [L.Embedding(IDS, F, mask_zero=masked)] if ids else [L.Masking(-2.0)] if masked else []
    own |= {"drops": drops} | ({"stateful": True} if stateful else {})
    for _ in range(rng.integers(1, 3)):
        if chance(rng, 0.4):
            made.append(stepwise(rng, masked, nested, drops))
        made.append(any_recurrent(rng, True, **own))
    if chance(rng, 0.5):
        made.append(stepwise(rng, masked, nested, drops))
    end = rng.integers(5)
    if end == 0:
        made.append(L.GlobalMaxPooling1D())
    elif end == 1:
        made.append(L.GlobalAveragePooling1D())
    elif end == 2:
        made += [any_recurrent(rng, False, **own), L.Dense(2, activation="softmax")]
    elif end == 3:
        made.append(
            any_recurrent(
                rng, chance(rng, 0.5), True, return_state=chance(rng, 0.5) and not stateful, **own
            )
        )
    return front, made, masked


def random_input(rng, ids, masked, dtype):
    """x of three rows, with masked steps of any pattern, the first row's at its end or front."""
    shape = (N, T) if ids else (N, T, F)
    x = rng.integers(1, IDS, shape) if ids else rng.normal(size=shape).astype(dtype)
    if masked:
        real = rng.random((N, T)) < 0.6
        real[0] = np.arange(T) < 4 if chance(rng, 0.5) else np.arange(T) >= 2
        real[:, rng.integers(T)] = True
        x[~real] = 0 if ids else -2.0
    return x


def randomized(model, rng):
    """The model with weights that show a wrong order."""
    for weight in model.weights:
        if str(weight.dtype).startswith("float") and "rnn_state" not in weight.path:
            weight.assign(rng.normal(0, 0.6, weight.shape))
    return model


def outputs(y):
    """Keras' outputs as a list of numpy arrays."""
    return [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(y)]


def built(front, layers, functional):
    """The model of layers one after the other."""
    if not functional:
        return keras.Sequential([front, *layers])
    y = front
    for layer in layers:
        y = layer(y)
    return keras.Model(front, y)
