"""What the examples on Turkish treebanks share: sentences, taggers with and without context."""

from collections import Counter, defaultdict

import fetch
import pyrnn


def sentences():
    """The sentences of package turkish-treebanks, as lists of words that are lists of columns.

    In CoNLL-U column 1 is the word, 3 the part of speech, 5 the features.
    """
    data = fetch.read_all("turkish-treebanks", "data/*.conllu").values()
    blocks = "\n\n".join(text.decode() for text in data).split("\n\n")
    rows = [[line.split("\t") for line in b.splitlines() if line[:1] not in "#"] for b in blocks]
    return [sentence for sentence in rows if sentence]


def train(vectors, num_tags, loss, metric, training, validation, *, epochs, seed):
    """The trainer of a tagger with the weights that were best on the validation data, by a metric.

    Words become vectors, a bidirectional LSTM reads them and scores the tags of each.
    """
    model = pyrnn.Sequential(
        vectors,
        pyrnn.Dropout(0.4, seed=seed),
        pyrnn.LSTM(64, 64, bidirectional=True, seed=seed),
        pyrnn.Dropout(0.4, seed=seed),
        pyrnn.Linear(128, num_tags, seed=seed),
    )
    trainer = pyrnn.Trainer(
        model, loss, pyrnn.optim.Adam(3e-3), clip_norm=1.0, metrics=[metric], seed=seed
    )
    stop = pyrnn.EarlyStopping(metric.name, mode="max", patience=3)
    trainer.fit(training, validation=validation, epochs=epochs, callbacks=[stop], progress=False)
    return trainer


def most_frequent(known, tags, test, otherwise):
    """The tags of the test sentences by each word's most frequent one, new words' `otherwise`."""
    counts = defaultdict(Counter)
    for sentence, answer in zip(known, tags, strict=True):
        for word, tag in zip(sentence, answer, strict=True):
            counts[word][tag] += 1
    best = {word: count.most_common(1)[0][0] for word, count in counts.items()}
    return [[best.get(word, otherwise) for word in sentence] for sentence in test]
