"""Tells whether a sentence is meant well or badly (many-to-one).

Tweets, reviews and editorials that people have rated from -4 to 4, from the source archive of
vaderSentiment (Hutto & Gilbert 2014); those within half a point of neutral are left out. A
bidirectional GRU reads the words, how they begin and end, and their valence in VADER's lexicon.
The logistic regressions look at words and pairs of words, without and with the same valences.
"""

import html

import numpy as np

import fetch
import pyrnn
from _common import options, report, split
from _text import Spelled, bag_of_words, spelling, words

SOURCES = ("tweets", "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets")


def load():
    """Sentences as lists of words, each once, and 1 for those that are rated positive."""
    ratings = {}
    for source in SOURCES:
        inner = "*/hutto_ICWSM_2014.tar.gz", f"*/{source}_GroundTruth.txt"
        text = fetch.read("vaderSentiment", *inner).decode(errors="replace")
        for row in (line.split("\t", 2) for line in text.splitlines() if line.count("\t") > 1):
            ratings.setdefault(tuple(words(html.unescape(row[2]))), float(row[1]))
    clear = {text: rating for text, rating in ratings.items() if abs(rating) >= 0.5}
    return [list(text) for text in clear], np.array([rating > 0 for rating in clear.values()], int)


def load_lexicon():
    """{word: valence from -4 to 4}."""
    text = fetch.read("vaderSentiment", "*/vader_lexicon.txt").decode()
    rows = [line.split("\t") for line in text.splitlines()]
    return {row[0]: float(row[1]) for row in rows}


def train(vectors, training, validation, epochs, seed):
    """The trainer of a model with the averaged weights that were best on the validation data."""
    model = pyrnn.Sequential(
        vectors,
        pyrnn.Dropout(0.5, seed=seed),
        pyrnn.GRU(64, 64, bidirectional=True, seed=seed),
        pyrnn.MaxPool(),
        pyrnn.Dropout(0.5, seed=seed),
        pyrnn.Linear(128, 2, seed=seed),
    )
    trainer = pyrnn.Trainer(
        model,
        "cross_entropy",
        pyrnn.optim.AdamW(1e-3, weight_decay=0.1),
        clip_norm=1.0,
        metrics=["accuracy"],
        ema=pyrnn.optim.EMA(model, 0.99),
        seed=seed,
    )
    stop = pyrnn.EarlyStopping("accuracy", patience=3)
    trainer.fit(
        training,
        validation=validation,
        epochs=epochs,
        batch_size=64,
        callbacks=[stop],
        progress=False,
    )
    return trainer


def main():
    args = options(__doc__, seeds=2).parse_args()
    (texts, labels), lexicon = load(), load_lexicon()
    if args.quick:
        texts, labels = texts[:500], labels[:500]
    parts = split(len(texts), 0.1, 0.2)
    known = [texts[i] for i in parts[0]]
    print(f"{len(texts):,} sentences, {labels.mean():.1%} positive")

    def valences(text):
        return [f"valence {lexicon[word]:.0f}" for word in text if word in lexicon]

    def features(word):
        return [*spelling(word), *(valences([word]) or ["no valence"])]

    accuracies = []
    for seed in range(args.seeds):
        vectors = Spelled(known, 64, features, seed=seed)
        ids = vectors.ids(texts)
        data = [([ids[i] for i in part], labels[part]) for part in parts]
        trainer = train(vectors, *data[:2], 1 if args.quick else 10, seed)
        accuracies.append(100 * trainer.evaluate(data[2])["accuracy"])
        print(f"  seed {seed}: {accuracies[-1]:.2f} % right", flush=True)
    sums = np.array([sum(lexicon.get(word, 0) for word in texts[i]) for i in parts[2]])
    with_valences = [text + valences(text) for text in texts]
    bags = "bag-of-words logistic regression"
    report(
        args,
        task="sentiment of a sentence",
        model="bidirectional GRU, 64 units",
        metric="accuracy in %",
        results=accuracies,
        baseline=(bags, bag_of_words(texts, labels, parts)),
        others=[
            (f"{bags} with valences", bag_of_words(with_valences, labels, parts)),
            ("sign of the sum of valences", 100 * np.mean((sums > 0) == labels[parts[2]])),
        ],
    )


if __name__ == "__main__":
    main()
