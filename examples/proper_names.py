"""Finds the proper names in a sentence (many-to-many, in step), with a CRF.

A name is a run of words that the Turkish treebanks (package turkish-treebanks) mark as proper:
B-NAME at its first word, I-NAME at the others, O elsewhere. A bidirectional LSTM that sees how
words are spelt scores the tags of each word; the CRF adds how well tags follow each other, and
never lets I-NAME follow O. A name counts only if both of its ends are right. The same network with
CrossEntropy scores word by word, and its tags, too, are the best that may follow each other; the
baseline says of each word what it most often is.
"""

import re
from itertools import product

import numpy as np

import pyrnn
from _common import options, report, split
from _names import ALLOWED, TAGS, NameF1, spans
from _text import Spelled, spelling
from _treebank import most_frequent, sentences, train


def load():
    """Sentences, as lists of words and arrays of tags' numbers."""
    rows = sentences()
    proper = [np.array(["Proper=True" in r[5].split("|") for r in s]) for s in rows]
    inside = [np.append(False, p[:-1]) for p in proper]  # the word before is proper
    tags = [np.where(p, 1 + i, 0) for p, i in zip(proper, inside, strict=True)]
    return [[r[1] for r in s] for s in rows], tags


def features(word):
    """How a word is spelt, with capitals, and what stands before the apostrophe of its ending."""
    kinds = "".join("A" if c.isupper() else "a" if c.isalpha() else c for c in word)
    shape = re.sub(r"(.)\1+", r"\1", re.sub(r"\d", "0", kinds))
    stem = re.split("['’]", word)[0]
    return [*spelling(word), f"shape {shape}", f"stem {stem}"]


def show(words, right, told):
    """Prints a sentence's names, each with a mark if the model did not find it or made it up."""
    right, told = spans(right), spans(told)
    for first, end in sorted(right | told):
        mark = " (missed)" * ((first, end) not in told) + " (wrong)" * ((first, end) not in right)
        print(f"    {' '.join(words[first:end])}{mark}")


def main():
    args = options(__doc__).parse_args()
    texts, tags = load()
    if args.quick:
        texts, tags = texts[-300:], tags[-300:]
    parts = split(len(texts), 0.1, 0.2)
    (known, learnt), _, (test, right) = (
        ([texts[i] for i in part], [tags[i] for i in part]) for part in parts
    )
    print(f"{len(texts):,} sentences, {sum(len(spans(t)) for t in tags):,} names")
    results = {"CRF": [], "CrossEntropy": []}
    for seed, name in product(range(args.seeds), results):
        vectors = Spelled(known, 64, features, seed=seed)
        ids = vectors.ids(texts)
        data = [([ids[i] for i in part], [tags[i] for i in part]) for part in parts]
        crf = pyrnn.CRF(len(TAGS), constraints=ALLOWED, seed=seed)
        loss = crf if name == "CRF" else pyrnn.losses.CrossEntropy()
        epochs = 2 if args.quick else 15
        trainer = train(vectors, len(TAGS), loss, NameF1(), *data[:2], epochs=epochs, seed=seed)
        results[name].append(100 * trainer.evaluate(data[2])["f1_names"])
        print(f"  seed {seed}, {name}: F1 {results[name][-1]:.2f} %", flush=True)
        if name == "CRF":
            shown = [crf.decode(y[None])[0] for y in trainer.predict(data[2][0][:4])]
    for words, answer, told in zip(test, right, shown, strict=False):
        print(" ", *words)
        show(words, answer, told)
    baseline = NameF1()
    for told, answer in zip(most_frequent(known, learnt, test, 0), right, strict=True):
        baseline.count(told, answer)
    better = np.sum(np.greater(results["CRF"], results["CrossEntropy"]))
    report(
        args,
        task="proper names",
        model="bidirectional LSTM, 64 units, CRF",
        metric="F1 of whole names in %",
        results=results["CRF"],
        baseline=("most frequent tag", 100 * baseline.value),
        others=[("the same with CrossEntropy", np.mean(results["CrossEntropy"]))],
        remark=f"better than that with {better} of {args.seeds} seeds",
    )


if __name__ == "__main__":
    main()
