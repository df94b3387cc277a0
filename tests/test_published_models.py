"""Promise: networks that others trained and published give their own answers with pyrnn's layers.

g2p-en 2.1.0 spells English words in phonemes (a GRU reads, a GRU writes), g2pM 0.1.2.5 tells how a
Chinese character is pronounced where it stands (a BiLSTM). Both packages bring their weights and
numpy code that runs them. Where they are installed: `make test-peers` does it.
"""

import re
import sys
from pydoc_data.topics import topics
from unittest.mock import MagicMock

import numpy as np
import pytest

import pyrnn
from c_models import compiled

WHY = "is not installed: `make test-peers` does it"
START, END, MOST = 2, 3, 20  # ids of phonemes, and how many a word has at most
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),  # of the packages
    pytest.mark.filterwarnings(r"ignore:(invalid|.*is an invalid) escape"),
]


@pytest.fixture
def g2p(monkeypatch):
    """g2p-en's network, without the dictionaries that it asks before."""
    for name in ("nltk", "nltk.corpus", "nltk.tokenize", "inflect"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    pytest.importorskip("g2p_en", reason=f"g2p-en {WHY}")
    module = sys.modules["g2p_en.g2p"]
    monkeypatch.setattr(module, "construct_homograph_dictionary", dict)
    return module.G2p()


def gru(weights, side):
    """The Embedding and the GRU of one side, with their weights."""
    embedding = pyrnn.Embedding(*weights[f"{side}_emb"].shape)
    hidden, features = weights[f"{side}_w_hh"].shape[1], embedding.embedding_dim
    model = pyrnn.Sequential(embedding=embedding, rnn=pyrnn.GRU(features, hidden))
    names = {"emb": "embedding.weight"}
    names |= {f"w_{p}": f"rnn.weight_{p}_l0" for p in ("ih", "hh")}
    names |= {f"b_{p}": f"rnn.bias_{p}_l0" for p in ("ih", "hh")}
    model.load_state_dict({name: weights[f"{side}_{theirs}"] for theirs, name in names.items()})
    return model


def pronounced(network, words):
    """The phonemes of all words at once: the most likely one after the other."""
    weights = network.variables
    reader, writer = gru(weights, "enc"), gru(weights, "dec")
    head = pyrnn.Linear(*reversed(weights["fc_w"].shape))
    head.load_state_dict({"weight": weights["fc_w"], "bias": weights["fc_b"]})
    ids = [[network.g2idx[letter] for letter in [*word, "</s>"]] for word in words]
    lengths = [len(row) for row in ids]
    x = np.array([row + [0] * (max(lengths) - len(row)) for row in ids])
    state = reader.run(x, lengths=lengths).state
    last, said = np.full((len(words), 1), START), []
    for _ in range(MOST):
        y, state = writer.run(last, state)
        last = head(y).argmax(axis=-1)
        said.append(last[:, 0])
    spelled = [[*map(int, row), END] for row in np.stack(said, axis=1)]
    return [[network.idx2p[i] for i in row[: row.index(END)]] for row in spelled]


def test_g2p_en(g2p):
    """2,000 words of Python's documentation have the phonemes that its own code gives."""
    found = sorted(set(re.findall(r"\b[a-z]{2,}\b", " ".join(topics.values()).lower())))
    words = found[:: len(found) // 2000][:2000]
    assert len(words) == 2000
    expected = [g2p.predict(word) for word in words]
    assert pronounced(g2p, words) == expected
    assert len({tuple(phonemes) for phonemes in expected}) > 1900


@pytest.fixture
def g2pm():
    """g2pM's network with its own weights, and the same as a model of pyrnn."""
    package = pytest.importorskip("g2pM", reason=f"g2pM {WHY}")
    network = package.G2pM()
    H, F = network.weight_hh.shape[1], network.embeddings.shape[1]
    classes, width = network.hidden_weight_l1.shape
    logits = pyrnn.Linear(2 * H, width), pyrnn.ReLU(), pyrnn.Linear(width, classes)
    model = pyrnn.Sequential(
        embedding=pyrnn.Embedding(*network.embeddings.shape),
        lstm=pyrnn.LSTM(F, H, bidirectional=True),
        logit_layer=pyrnn.Sequential(*logits),
    )
    weights = {"embedding.weight": network.embeddings}
    for way in ("", "_reverse"):
        for word in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            weights[f"lstm.{word}_l0{way}"] = getattr(network, f"{word}{way}")
    for i in (0, 1):
        weights[f"logit_layer.{2 * i}.weight"] = getattr(network, f"hidden_weight_l{i}")
        weights[f"logit_layer.{2 * i}.bias"] = getattr(network, f"hidden_bias_l{i}")
    model.load_state_dict(weights)
    return network, model


def sentences(network, count, rng):
    """Ids of characters that have several pronunciations, of 5 to 40 at a time."""
    several = [c for c, ways in network.cedict.items() if len(ways) > 1 and c in network.char2idx]
    known = np.array([network.char2idx[c] for c in several], np.int32)
    return [rng.choice(known, rng.integers(5, 41)) for _ in range(count)]


def test_g2pm(g2pm, rng):
    """Every character of 200 rows of characters, each row alone and all in one batch."""
    network, model = g2pm
    rows = sentences(network, 200, rng)
    expected = [network.predict(row[None], list(range(len(row)))) for row in rows]
    for row, ids in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(model(row[None])[0].argmax(axis=-1), ids)
    for y, ids in zip(model.predict(rows), expected, strict=True):
        np.testing.assert_array_equal(y.argmax(axis=-1), ids)
    assert len(set(np.concatenate(expected))) > 100


def test_g2pm_in_c(g2pm, tmp_path, rng):
    """The same of the file that export_c writes."""
    network, model = g2pm
    program = compiled(model, tmp_path)
    for row in sentences(network, 20, rng):
        y, _, _ = program.outputs(row)
        expected = network.predict(row[None], list(range(len(row))))
        np.testing.assert_array_equal(y.argmax(axis=-1), expected)
