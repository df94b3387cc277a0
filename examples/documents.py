"""Rates documents of several sentences (many-to-one, by a hierarchical network).

500 editorials and 300 reviews of products, whose sentences people have rated one by one from -4
to 4 (source archive of vaderSentiment, Hutto & Gilbert 2014); a document's rating is the mean
of its sentences'. A GRU reads the words of each sentence. A second, bidirectional GRU reads the
outputs of the first and rates each sentence within its document. The baseline is ridge
regression on the words and pairs of words of whole documents; another one does the same for
single sentences.
"""

import html

import numpy as np

import fetch
import pyrnn
from _common import options, report, split
from _text import Spelled, ridge, words

SOURCES = ("amazonReviewSnippets", "nytEditorialSnippets")
LONGEST = 40  # words of a sentence that are read


def load():
    """Documents as lists of sentences, which are lists of words, and their sentences' ratings."""
    documents = {}
    for source in SOURCES:
        inner = "*/hutto_ICWSM_2014.tar.gz", f"*/{source}_GroundTruth.txt"
        text = fetch.read("vaderSentiment", *inner).decode(errors="replace")
        for line in text.splitlines():
            number, rating, sentence = line.split("\t", 2)
            key = source, number.split("_")[0]
            found = words(html.unescape(sentence))[:LONGEST]
            documents.setdefault(key, []).append((found, float(rating)))
    texts = [[sentence for sentence, _ in document] for document in documents.values()]
    ratings = [[rating for _, rating in document] for document in documents.values()]
    return texts, [np.array(r, np.float32)[:, None] for r in ratings]


def as_array(ids):
    """The sentences' ids (sentences, LONGEST), 0 in front of the shorter ones."""
    return np.array([np.pad(row, (LONGEST - len(row), 0)) for row in ids])


def train(vectors, training, validation, epochs, seed):
    """The trainer of a model with the weights that were best on the validation data."""
    sentence = pyrnn.Sequential(
        vectors,
        pyrnn.Dropout(0.5, seed=seed),
        pyrnn.GRU(32, 48, seed=seed),
        pyrnn.MaxPool(),
        pyrnn.Dropout(0.5, seed=seed),
    )
    model = pyrnn.Sequential(
        pyrnn.TimeDistributed(sentence),
        pyrnn.GRU(48, 24, bidirectional=True, seed=seed),
        pyrnn.Dropout(0.3, seed=seed),
        pyrnn.Linear(48, 1, seed=seed),
    )
    optimizer = pyrnn.optim.AdamW(3e-3, weight_decay=0.05)
    trainer = pyrnn.Trainer(model, "mse", optimizer, clip_norm=1.0, seed=seed)
    stop = pyrnn.EarlyStopping(patience=4)
    options = {"epochs": epochs, "batch_size": 16, "callbacks": [stop], "progress": False}
    trainer.fit(training, validation=validation, **options)
    return trainer


def main():
    args = options(__doc__).parse_args()
    texts, ratings = load()
    if args.quick:
        texts, ratings = texts[-80:], ratings[-80:]
    parts = split(len(texts), 0.15, 0.25)
    whole = np.array([rating.mean() for rating in ratings])
    right = whole[parts[2]]
    print(f"{len(texts)} documents, {sum(map(len, texts)):,} sentences")

    def error(told):
        return np.sqrt(np.mean((np.array(told) - right) ** 2))

    errors = []
    for seed in range(args.seeds):
        vectors = Spelled([s for i in parts[0] for s in texts[i]], 32, seed=seed)
        vectors.ids([[""]])  # number 0 is no word
        ids = [as_array(vectors.ids(text)) for text in texts]
        data = [([ids[i] for i in part], [ratings[i] for i in part]) for part in parts]
        trainer = train(vectors, *data[:2], 1 if args.quick else 30, seed)
        errors.append(error([y.mean() for y in trainer.predict(data[2][0])]))
        print(f"  seed {seed}: {errors[-1]:.4f} points", flush=True)
    bags = [[word for sentence in text for word in sentence] for text in texts]
    document = error(ridge(bags, whole, parts))
    starts = np.cumsum([0, *map(len, texts)])
    rows = [np.concatenate([np.arange(starts[i], starts[i + 1]) for i in part]) for part in parts]
    flat = [sentence for text in texts for sentence in text]
    single = ridge(flat, np.concatenate(ratings)[:, 0], rows)
    ends = np.cumsum([len(texts[i]) for i in parts[2]])[:-1]
    alone = error([part.mean() for part in np.split(single, ends)])
    report(
        args,
        task="rating of a document",
        model="GRU on words, bidirectional GRU on sentences",
        metric="root mean squared error in points",
        results=errors,
        baseline=("bag of words of the document", document),
        others=[
            ("bags of words of its sentences", alone),
            ("mean rating", error(np.full(len(right), whole[parts[0]].mean()))),
        ],
        better="lower",
    )


if __name__ == "__main__":
    main()
