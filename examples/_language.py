"""What the language models share: the text, windows of it, and the trigram model to beat."""

import platform
from pydoc_data.topics import topics

import numpy as np

EDITION = f"text of Python {platform.python_version()}"


def paragraphs():
    """Those of the Python language reference, in their order, each once: it repeats itself."""
    return list(dict.fromkeys("\n\n".join(topics[name] for name in sorted(topics)).split("\n\n")))


def windows(ids, length, start=0):
    """Inputs and targets (N, length): the text cut up, and the same one symbol later."""
    count = (len(ids) - start - 1) // length
    stop = start + count * length
    return ids[start:stop].reshape(count, length), ids[start + 1 : stop + 1].reshape(count, length)


def trigram_bits(train, validation, test, num_chars, rounds=100):
    """Bits per symbol of the test text under a mixture of trigram, bigram, unigram and uniform:
    counts from the training text, weights from the validation text by EM (Jelinek & Mercer 1980).
    """
    triples = np.zeros((num_chars,) * 3)
    np.add.at(triples, (train[:-2], train[1:-1], train[2:]), 1)
    pairs = triples.sum(axis=0)
    singles = np.bincount(train, minlength=num_chars)

    def components(ids):
        a, b, c = ids[:-2], ids[1:-1], ids[2:]
        trigram = triples[a, b, c] / np.maximum(triples.sum(axis=2)[a, b], 1)
        bigram = pairs[b, c] / np.maximum(pairs.sum(axis=1)[b], 1)
        return np.stack([trigram, bigram, singles[c] / len(train), np.full(len(c), 1 / num_chars)])

    known, weights = components(validation), np.full(4, 0.25)
    for _ in range(rounds):
        shares = weights[:, None] * known
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return -np.log2(weights @ components(test)).mean()
