"""Finds the proper names in a sentence (many-to-many, in step), with a CRF.

A name is a run of words that the Turkish treebanks (package turkish-treebanks) mark as proper:
B-NAME at its first word, I-NAME at the others, O elsewhere. A bidirectional LSTM that sees how
words are spelt scores the tags of each word; the CRF adds how well tags follow each other, and
never lets I-NAME follow O. A name counts only if both of its ends are right. The same network with
CrossEntropy decides word by word; the baseline says of each word what it most often is.
"""

import re

import numpy as np

import pyrnn
from _common import options, report, split
from _text import Spelled, spelling
from _treebank import most_frequent, sentences

TAGS = ["O", "B-NAME", "I-NAME"]


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


def spans(tags):
    """{(first word, word behind the last)} of the names; as for CoNLL, I-NAME may begin one."""
    tags = np.concatenate([[0], tags, [0]])
    before, now = tags[:-1], tags[1:]
    starts = np.flatnonzero((now == 1) | ((now == 2) & (before == 0)))
    ends = np.flatnonzero((before != 0) & (now != 2))
    return set(zip(starts.tolist(), ends.tolist(), strict=True))


def span_f1(told, right):
    """F1 in % of the names in all sentences."""
    pairs = [(spans(a), spans(b)) for a, b in zip(told, right, strict=True)]
    both, either = (sum(len(a & b) for a, b in pairs), sum(len(a) + len(b) for a, b in pairs))
    return 100 * 2 * both / max(either, 1)


def train(vectors, loss, training, validation, epochs, seed):
    """The trainer of a model with the weights that were best on the validation data."""
    model = pyrnn.Sequential(
        vectors,
        pyrnn.Dropout(0.4, seed=seed),
        pyrnn.LSTM(64, 64, bidirectional=True, seed=seed),
        pyrnn.Dropout(0.4, seed=seed),
        pyrnn.Linear(128, len(TAGS), seed=seed),
    )
    metrics, optimizer = [pyrnn.metrics.F1("macro")], pyrnn.optim.Adam(3e-3)
    trainer = pyrnn.Trainer(model, loss, optimizer, clip_norm=1.0, metrics=metrics, seed=seed)
    stop = pyrnn.EarlyStopping("f1_macro", mode="max", patience=3)
    trainer.fit(training, validation, epochs, callbacks=[stop], progress=False)
    return trainer


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
    scores, told, allowed = {"CRF": [], "CrossEntropy": []}, {}, pyrnn.bio_constraints(TAGS)
    for seed in range(args.seeds):
        for name, results in scores.items():
            vectors = Spelled(known, 64, features, seed=seed)
            ids = vectors.ids(texts)
            data = [([ids[i] for i in part], [tags[i] for i in part]) for part in parts]
            crf = pyrnn.CRF(3, constraints=allowed, seed=seed) if name == "CRF" else None
            loss = crf or pyrnn.losses.CrossEntropy()
            trainer = train(vectors, loss, *data[:2], 2 if args.quick else 15, seed)
            emissions = [e[:, None] for e in trainer.predict(data[2][0])]
            told[name] = [crf.decode(e)[0] if crf else e[:, 0].argmax(axis=1) for e in emissions]
            results.append(span_f1(told[name], right))
            print(f"  seed {seed}, {name}: F1 {results[-1]:.2f} %", flush=True)
    for i in range(4):
        print(" ", *test[i])
        show(test[i], right[i], told["CRF"][i])
    report(
        args,
        task="proper names",
        model="bidirectional LSTM, 64 units, CRF",
        metric="F1 of whole names in %",
        results=scores["CRF"],
        baseline=("most frequent tag", span_f1(most_frequent(known, learnt, test, 0), right)),
        others=[("the same with CrossEntropy", np.mean(scores["CrossEntropy"]))],
    )


if __name__ == "__main__":
    main()
