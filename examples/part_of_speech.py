"""Tells the part of speech of every word in a sentence (many-to-many, in step).

Turkish builds words from many endings, so a bidirectional LSTM sees how a word begins and ends
beside the word itself. The sentences are Google's Turkish treebanks (package turkish-treebanks),
in the universal parts of speech. The baseline says of each word what it most often is.
"""

import numpy as np

import pyrnn
from _common import options, report, split
from _text import Spelled
from _treebank import most_frequent, sentences, train


def load():
    """Sentences, as lists of words and lists of tags."""
    rows = sentences()
    return [[r[1] for r in s] for s in rows], [[r[3] for r in s] for s in rows]


def show(words, right, told):
    """Prints a sentence with its tags, and where the model errs."""
    for word, answer, guess in zip(words, right, told, strict=True):
        print(f"  {word:<16} {answer:<6}" + (f" (not {guess})" if guess != answer else ""))


def main():
    args = options(__doc__).parse_args()
    texts, tags = load()
    if args.quick:
        texts, tags = texts[:300], tags[:300]
    names = sorted({tag for answer in tags for tag in answer})
    parts = split(len(texts), 0.1, 0.2)
    known = [texts[i] for i in parts[0]]
    targets = [np.array([names.index(tag) for tag in answer]) for answer in tags]
    accuracies = []
    for seed in range(args.seeds):
        vectors = Spelled(known, 64, seed=seed)
        ids = vectors.ids(texts)
        data = [([ids[i] for i in part], [targets[i] for i in part]) for part in parts]
        loss, metric = pyrnn.losses.CrossEntropy(), pyrnn.metrics.Accuracy()
        epochs = 2 if args.quick else 15
        trainer = train(vectors, len(names), loss, metric, *data[:2], epochs=epochs, seed=seed)
        accuracies.append(100 * trainer.evaluate(data[2])["accuracy"])
        print(f"  seed {seed}: {accuracies[-1]:.2f} % right", flush=True)
    test, answers = [texts[i] for i in parts[2]], [tags[i] for i in parts[2]]
    (scores,) = trainer.predict(vectors.ids(test[:1]))
    show(test[0], answers[0], [names[i] for i in scores.argmax(axis=-1)])
    told = most_frequent(known, [tags[i] for i in parts[0]], test, "NOUN")
    report(
        args,
        task="part of speech of a word",
        model="bidirectional LSTM, 64 units",
        metric="accuracy in %",
        results=accuracies,
        baseline=(
            "most frequent tag",
            100 * np.mean(np.concatenate(told) == np.concatenate(answers)),
        ),
    )


if __name__ == "__main__":
    main()
